//! Leases: the owner of a run, the lease's end, and the fencing token.

use pipeline::run::RunId;
use sqlx::Row as _;

use crate::{
    ports::lifecycle::{Fence, Lease},
    postgres::{
        pool::{
            connections::PooledConn,
            db_error::{DbError, fenced},
        },
        values::run_id,
    },
};

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

/// Returns the runs that the owner has lost.
pub(in crate::postgres) async fn renew(
    conn: &mut PooledConn<'_>,
    lease: &Lease,
    fences: &[Fence],
) -> Result<Vec<RunId>, DbError> {
    let runs: Vec<&str> = fences.iter().map(|fence| fence.run.as_str()).collect();
    let epochs: Vec<i32> = fences.iter().map(|fence| fence.epoch).collect();
    let generations: Vec<i32> = fences.iter().map(|fence| fence.generation).collect();
    let rows = conn
        .query(RENEW)
        .bind(&lease.owner)
        .bind(lease.duration.as_secs_f64())
        .bind(runs)
        .bind(epochs)
        .bind(generations)
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(|row| run_id(row.try_get("id")?)).collect()
}

/// Releases a run and undoes the attempt, which did not end in a crash. If another worker owns the run by
/// now, the attempt is undone too: this process lives and lost only its lease. Releasing a released run
/// succeeds. $1 run, $2 owner, $3 epoch, $4 generation,
/// $5 attempt
const RELEASE: &str = r#"
WITH released AS (
  UPDATE "PipelineRun" SET "leaseOwner" = NULL, "leaseUntil" = NULL, "attempts" = GREATEST("attempts" - ($5 <= 2 OR "attempts" >= $5)::int, 0),
    "updatedAt" = now()
  WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'
  RETURNING "id"
),
lost AS (
  UPDATE "PipelineRun" SET "attempts" = GREATEST("attempts" - 1, 0)
  WHERE "id" = $1 AND "leaseOwner" <> $2 AND "leaseEpoch" > $3 AND "generation" = $4 AND "status" = 'PROCESSING'
)
SELECT "id", pg_notify('innovation_runs', '')::text AS "told" FROM released
UNION ALL
SELECT "id", NULL FROM "PipelineRun"
WHERE "id" = $1 AND "leaseOwner" IS NULL AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'"#;

pub(in crate::postgres) async fn release(conn: &mut PooledConn<'_>, fence: &Fence) -> Result<(), DbError> {
    change_attempt(conn, RELEASE, fence).await
}

/// Executes a statement that changes the attempts under the fence. $1 run, $2 owner, $3 epoch, $4 generation,
/// $5 attempt. No row means that the run is no longer ours.
pub(super) async fn change_attempt(
    conn: &mut PooledConn<'_>,
    sql: &'static str,
    fence: &Fence,
) -> Result<(), DbError> {
    let changed = conn
        .query(sql)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(fence.attempt)
        .fetch_optional(conn.connection()?)
        .await?;
    changed.map(drop).ok_or_else(|| fenced(&fence.run))
}
