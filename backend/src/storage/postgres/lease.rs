//! Leases: who works on a run, until when, and under which fencing token.

use std::collections::HashSet;

use pipeline::run::RunId;
use sqlx::Row as _;

use super::{
    super::{Fence, Lease, StorageError, StorageErrorKind},
    Fault, Held, fenced,
};

/// What is new and what a dead worker left behind, in one statement. $1 owner, $2 lease (s), $3 limit, $4 not these
const CLAIM: &str = r#"
WITH waiting AS (
  SELECT "id" FROM "PipelineRun"
  WHERE "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL AND ("leaseUntil" IS NULL OR "leaseUntil" < now())
    AND NOT ("id" = ANY($4))
  ORDER BY "priority" DESC, "createdAt", "id"
  FOR UPDATE SKIP LOCKED LIMIT $3
)
UPDATE "PipelineRun" r SET "leaseOwner" = $1, "leaseEpoch" = r."leaseEpoch" + 1, "attempts" = r."attempts" + 1,
  "leaseUntil" = now() + make_interval(secs => $2), "startedAt" = COALESCE(r."startedAt", now()), "updatedAt" = now()
FROM waiting WHERE r."id" = waiting."id"
RETURNING r."id", r."leaseEpoch", r."generation", r."priority",
  (extract(epoch FROM r."createdAt") * 1000)::int8 AS "created""#;

pub(super) async fn claim(
    held: &mut Held<'_>,
    lease: &Lease,
    limit: usize,
    held_runs: &HashSet<RunId>,
) -> Result<Vec<Fence>, Fault> {
    let skipped: Vec<&str> = held_runs.iter().map(RunId::as_str).collect();
    let rows = held
        .query(CLAIM)
        .bind(&lease.owner)
        .bind(lease.duration.as_secs_f64())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(skipped)
        .fetch_all(held.connection()?)
        .await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let priority: i32 = row.try_get("priority")?;
        let created: i64 = row.try_get("created")?;
        let run = run_id(row.try_get("id")?)?;
        let (epoch, generation) = (row.try_get("leaseEpoch")?, row.try_get("generation")?);
        let fence = Fence { run, owner: lease.owner.clone(), epoch, generation, holds_row: true };
        claimed.push(((-i64::from(priority), created, fence.run.clone()), fence));
    }
    // An UPDATE returns its rows in any order.
    claimed.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(claimed.into_iter().map(|(_, fence)| fence).collect())
}

/// $1 owner, $2 lease (s), $3 runs, $4 their epochs, $5 their generations
const RENEW: &str = r#"
WITH mine AS (SELECT * FROM unnest($3::text[], $4::int4[], $5::int4[]) AS mine("id", "epoch", "generation")),
renewed AS (
  UPDATE "PipelineRun" r SET "leaseUntil" = now() + make_interval(secs => $2)
  FROM mine
  WHERE r."id" = mine."id" AND r."leaseOwner" = $1 AND r."leaseEpoch" = mine."epoch"
    AND r."generation" = mine."generation" AND r."status" = 'PROCESSING'
  RETURNING r."id"
)
SELECT "id" FROM mine EXCEPT SELECT "id" FROM renewed"#;

/// Returns the runs that are no longer the owner's.
pub(super) async fn renew(held: &mut Held<'_>, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, Fault> {
    let runs: Vec<&str> = fences.iter().map(|fence| fence.run.as_str()).collect();
    let epochs: Vec<i32> = fences.iter().map(|fence| fence.epoch).collect();
    let generations: Vec<i32> = fences.iter().map(|fence| fence.generation).collect();
    let rows = held
        .query(RENEW)
        .bind(&lease.owner)
        .bind(lease.duration.as_secs_f64())
        .bind(runs)
        .bind(epochs)
        .bind(generations)
        .fetch_all(held.connection()?)
        .await?;
    rows.iter().map(|row| run_id(row.try_get("id")?)).collect()
}

/// The attempt is given back too: it did not end in a crash. Having been released already is success. $1 run,
/// $2 owner, $3 epoch, $4 generation
const RELEASE: &str = r#"
WITH released AS (
  UPDATE "PipelineRun" SET "leaseOwner" = NULL, "leaseUntil" = NULL, "attempts" = GREATEST("attempts" - 1, 0),
    "updatedAt" = now()
  WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'
  RETURNING "id"
)
SELECT "id" FROM released
UNION ALL
SELECT "id" FROM "PipelineRun"
WHERE "id" = $1 AND "leaseOwner" IS NULL AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'"#;

pub(super) async fn release(held: &mut Held<'_>, fence: &Fence) -> Result<(), Fault> {
    let released = held
        .query(RELEASE)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .fetch_optional(held.connection()?)
        .await?;
    released.map(drop).ok_or_else(|| fenced(&fence.run))
}

/// Ids of accepted rows have been checked when they were accepted.
pub(super) fn run_id(id: &str) -> Result<RunId, Fault> {
    RunId::parse(id)
        .map_err(|error| Fault::Store(StorageError::new(StorageErrorKind::Refused, error.to_string())))
}
