//! Decides which runs a worker claims next.
//!
//! Each user's queue starts with the most urgent run, then the oldest. Among the users' first runs, urgent
//! ones come first, and equally urgent ones take turns. Each claim continues after the user who was served
//! last. So users also share slots that become free one at a time.

use std::collections::BTreeSet;

use pipeline::run::{RunId, Stage};
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    ports::lifecycle::{Claim, Fence, Lease, WaitingRuns},
    postgres::{
        pool::{connections::PooledConn, db_error::DbError},
        stages::frontend_steps::{begin_step, step_of_row},
        values::run_id,
    },
    waiting::WAITING_OWNER,
};

/// The rounds of one claim: one for the users' first runs, one for their further runs. Two more follow if
/// other workers have claimed the runs that a round found.
const ROUNDS_MAX: usize = 4;

/// The changes to a claimed row. If a worker finds a run with its own lease that it does not know, the answer
/// to an earlier claim was lost. That is not a crash, so the attempts stay. The third attempt is not counted
/// here, see `SHARED_ATTEMPTS_MAX`. $1 owner, $2 lease (s)
macro_rules! take {
    () => {
        concat!(
            r#"UPDATE "PipelineRun" r SET "leaseOwner" = $1, "leaseEpoch" = r."leaseEpoch" + 1,
          "attempts" = CASE WHEN r."leaseOwner" IS NOT DISTINCT FROM $1 THEN r."attempts"
            ELSE GREATEST(r."attempts", LEAST(r."attempts" + 1, 2)) END,
          "leaseUntil" = now() + make_interval(secs => $2), "startedAt" = COALESCE(r."startedAt", now()),
          "updatedAt" = now()
        FROM waiting WHERE r."id" = waiting."id"
        RETURNING r."id", r."userId", r."leaseEpoch", r."generation", waiting."turn", waiting."heldBy",
          waiting."attempts" + (waiting."heldBy" IS DISTINCT FROM $1)::int AS "attempts",
          ARRAY[r."stage1Output" IS NOT NULL, r."stage2Output" IS NOT NULL, r."stage3Output" IS NOT NULL,
            r."stage4Output" IS NOT NULL] AS "rowStages", "#,
            step_of_row!(),
            r#" AS "step""#
        )
    };
}

/// Runs that no worker holds, and that were never held or were released. $4 excluded runs
macro_rules! free {
    () => {
        r#"r."status" = 'PROCESSING' AND r."acceptedAt" IS NOT NULL AND r."leaseUntil" IS NULL
           AND r."id" NOT IN (SELECT unnest($4::text[]))"#
    };
}

/// Runs with expired leases. They had their turn when they were claimed first. For one lease after the
/// server's start, an expired lease proves nothing, because no worker could renew it. $3 limit, $4 excluded
/// runs
const EXPIRED: &str = concat!(
    r#"WITH ended AS (
      SELECT "id", "priority", "createdAt", "leaseOwner" AS "heldBy", "attempts" FROM "PipelineRun"
      WHERE "leaseOwner" <> 'waiting' AND "leaseUntil" < now() AND "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL
        AND "id" <> ALL ($4::text[]) AND pg_postmaster_start_time() + make_interval(secs => $2) <= now()
      ORDER BY "priority" DESC, "createdAt", "id"
      LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
    ),
    waiting AS (
      SELECT "id", "heldBy", "attempts", row_number() OVER (ORDER BY "priority" DESC, "createdAt", "id") AS "turn"
      FROM ended
    ),
    claimed AS ("#,
    take!(),
    "), ",
    begin_step!("claimed"),
    " SELECT * FROM claimed"
);

/// Waiting runs whose time has come, or which have waited for their model for too long. $3 limit, $4 excluded
/// runs, $5 how long (s); nothing for those whose time has come
const WAITING: &str = concat!(
    r#"WITH put_back AS (
      SELECT "id", "priority", "waitingSince", "leaseOwner" AS "heldBy", "attempts" FROM "PipelineRun"
      WHERE "leaseOwner" = 'waiting' AND "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL
        AND "id" <> ALL ($4::text[])
        AND CASE WHEN $5::float8 IS NULL THEN "leaseUntil" < now()
          ELSE "waitingReason" <> 'CRASH_SUSPECTED' AND "waitingSince" + make_interval(secs => $5) < now() END
      ORDER BY "priority" DESC, "waitingSince", "id"
      LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
    ),
    waiting AS (
      SELECT "id", "heldBy", "attempts",
        row_number() OVER (ORDER BY "priority" DESC, "waitingSince", "id") AS "turn" FROM put_back
    ),
    claimed AS ("#,
    take!(),
    "), ",
    begin_step!("claimed"),
    " SELECT * FROM claimed"
);

/// One round of a claim. A loose index scan by user finds the first run of each user, one step per user, for
/// any queue length. It reads further runs of each user only if the depth is above one.
///
/// $3 limit, $4 excluded runs, $5 depth, $6 the user who was served last
const FREE: &str = concat!(
    r#"WITH RECURSIVE heads AS (
      (SELECT r."userId", r."id", r."priority" FROM "PipelineRun" r WHERE "#,
    free!(),
    r#" ORDER BY r."userId", r."priority" DESC, r."createdAt", r."id" LIMIT 1)
      UNION ALL
      SELECT next.* FROM heads, LATERAL (
        SELECT r."userId", r."id", r."priority" FROM "PipelineRun" r WHERE "#,
    free!(),
    r#" AND r."userId" > heads."userId"
        ORDER BY r."userId", r."priority" DESC, r."createdAt", r."id" LIMIT 1
      ) AS next
    ),
    fronts AS (
      SELECT "id", "userId", "priority", 1 AS "place" FROM heads
      UNION ALL
      SELECT behind.* FROM heads, LATERAL (
        SELECT r."id", r."userId", r."priority",
               row_number() OVER (ORDER BY r."priority" DESC, r."createdAt", r."id") AS "place"
        FROM "PipelineRun" r WHERE "#,
    free!(),
    r#" AND r."userId" = heads."userId"
        ORDER BY r."priority" DESC, r."createdAt", r."id" OFFSET 1 LIMIT $5 - 1
      ) AS behind
    ),
    turns AS MATERIALIZED (
      SELECT "id", row_number() OVER (ORDER BY "priority" DESC, "place", "userId" <= $6, "userId") AS "turn"
      FROM fronts ORDER BY "turn" LIMIT $3 * 4
    ),
    waiting AS (
      SELECT r."id", turns."turn", NULL::text AS "heldBy", r."attempts" FROM turns JOIN "PipelineRun" r ON r."id" = turns."id"
      WHERE r."status" = 'PROCESSING' AND r."leaseUntil" IS NULL
      ORDER BY turns."turn" LIMIT $3 FOR NO KEY UPDATE OF r SKIP LOCKED
    ),
    claimed AS ("#,
    take!(),
    "), ",
    begin_step!("claimed"),
    r#" SELECT counted."seen", claimed.* FROM (SELECT count(*)::int8 AS "seen" FROM turns) AS counted
         LEFT JOIN claimed ON true"#
);

/// The result of a claim.
#[derive(Debug)]
pub(in crate::postgres) struct Claimed {
    /// In the order of their turns.
    pub(in crate::postgres) fences: Vec<Fence>,
    pub(in crate::postgres) last_user: String,
}

pub(in crate::postgres) async fn claim(
    conn: &mut PooledConn<'_>,
    claim: Claim<'_>,
    last_user: String,
) -> Result<Claimed, DbError> {
    let mut claimed = Claimed { fences: Vec::new(), last_user };
    let skipped: Vec<&str> = claim.held.iter().map(RunId::as_str).collect();
    if claim.waiting != WaitingRuns::None {
        let overdue = match claim.waiting {
            WaitingRuns::Overdue(limit) => Some(limit.as_secs_f64()),
            WaitingRuns::Due | WaitingRuns::None => None,
        };
        let query = conn.query(WAITING).bind(&claim.lease.owner).bind(claim.lease.duration.as_secs_f64());
        let query = query.bind(count(claim.limit)).bind(&skipped).bind(overdue);
        let rows = query.fetch_all(conn.connection()?).await?;
        claimed.add(&rows, claim.lease)?;
        if overdue.is_some() {
            return Ok(claimed);
        }
    }
    let wanted = claim.limit.saturating_sub(claimed.fences.len());
    if claim.expired && wanted > 0 {
        let query = conn.query(EXPIRED).bind(&claim.lease.owner).bind(claim.lease.duration.as_secs_f64());
        let query = query.bind(count(wanted)).bind(&skipped);
        let rows = query.fetch_all(conn.connection()?).await?;
        claimed.add(&rows, claim.lease)?;
    }
    let mut depth = 1;
    for _ in 0..ROUNDS_MAX {
        let wanted = claim.limit.saturating_sub(claimed.fences.len());
        if wanted == 0 {
            break;
        }
        let query = conn.query(FREE).bind(&claim.lease.owner).bind(claim.lease.duration.as_secs_f64());
        let query = query.bind(count(wanted)).bind(&skipped).bind(count(depth)).bind(&claimed.last_user);
        let mut rows = query.fetch_all(conn.connection()?).await?;
        let seen: i64 = rows.first().map_or(Ok(0), |row| row.try_get("seen"))?;
        if seen == 0 {
            break;
        }
        let is_none = |row: &PgRow| row.try_get::<Option<&str>, _>("id").is_ok_and(|id| id.is_none());
        rows.retain(|row| !is_none(row));
        if let Some(user) = claimed.add(&rows, claim.lease)? {
            claimed.last_user = user;
        }
        // If few users had runs, read their whole queues. If many had runs but we got few, other workers
        // claimed them; double the depth.
        depth = if seen < count(wanted) { wanted } else { depth * 2 };
    }
    Ok(claimed)
}

impl Claimed {
    /// Adds the rows of an UPDATE, which come in any order, and returns the last user.
    fn add(&mut self, rows: &[PgRow], lease: &Lease) -> Result<Option<String>, DbError> {
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows {
            let turn: i64 = row.try_get("turn")?;
            let user: String = row.try_get("userId")?;
            let fence = Fence {
                run: run_id(row.try_get("id")?)?,
                owner: lease.owner.clone(),
                epoch: row.try_get("leaseEpoch")?,
                generation: row.try_get("generation")?,
                attempt: row.try_get("attempts")?,
                owns_row: true,
                row_stages: row_stages(row)?,
            };
            if let Some(held_by) = row.try_get::<Option<String>, _>("heldBy")?
                && held_by != lease.owner
                && held_by != WAITING_OWNER
            {
                let (run, epoch, attempt) = (&fence.run, fence.epoch, fence.attempt);
                tracing::warn!(event = "run_taken_over", run_id = %run, held_by, epoch, attempt, "[{run}] is taken over: the lease of its worker has expired");
            }
            taken.push((turn, user, fence));
        }
        taken.sort_by_key(|(turn, ..)| *turn);
        let last = taken.last().map(|(_, user, _)| user.clone());
        self.fences.extend(taken.into_iter().map(|(.., fence)| fence));
        Ok(last)
    }
}

fn row_stages(row: &PgRow) -> Result<BTreeSet<Stage>, DbError> {
    let has: Vec<bool> = row.try_get("rowStages")?;
    Ok(Stage::ALL.into_iter().zip(has).filter_map(|(stage, has)| has.then_some(stage)).collect())
}

fn count(number: usize) -> i64 {
    // The product with the number of rounds must fit too.
    i64::try_from(number).unwrap_or(i64::MAX).min(i64::from(i32::MAX))
}
