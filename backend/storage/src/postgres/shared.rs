//! Parts of statements that write the rows of several runs, or of one.
//!
//! A shared statement never waits for a row of `PipelineRun`: one that somebody else has locked is left out, and its run's
//! write is sent alone. For a lock in another table it waits a short time, and with a single row also for that row. So no client of the database, the frontend
//! included, stops the runs of others.

/// Ends the wait of a shared statement for a lock. Alone, a write waits as long as `DATABASE_LOCK_TIMEOUT_MS` says.
macro_rules! lock_limit {
    (shared) => {
        "limited AS MATERIALIZED (SELECT set_config('lock_timeout', '100', true))"
    };
    (single) => {
        lock_limit!(shared)
    };
    (alone) => {
        "limited AS (SELECT 1)"
    };
}
pub(in crate::postgres) use lock_limit;

/// The rows of `PipelineRun` that the statement may change, of a part "mine" with "run", "owner", "epoch" and "generation".
/// It locks them in the order of their ids, as weakly as an UPDATE does: the frontend's inserts go on.
macro_rules! free_runs {
    (shared) => {
        r#"free AS MATERIALIZED (
  SELECT r."id" FROM "PipelineRun" r JOIN mine m ON r."id" = m."run"
  WHERE r."leaseOwner" = m."owner" AND r."leaseEpoch" = m."epoch" AND r."generation" = m."generation"
    AND r."status" = 'PROCESSING'
  ORDER BY r."id" FOR NO KEY UPDATE OF r SKIP LOCKED
)"#
    };
    (single) => {
        free_runs!(alone)
    };
    (alone) => {
        r#"free AS (SELECT "run" AS "id" FROM mine)"#
    };
}
pub(in crate::postgres) use free_runs;

/// The fence of a row `r` of `PipelineRun`, of the parts "mine" as `m` and "free" as `f`.
macro_rules! fenced_row {
    () => {
        r#"r."id" = m."run" AND f."id" = m."run" AND r."leaseOwner" = m."owner" AND r."leaseEpoch" = m."epoch"
    AND r."generation" = m."generation" AND r."status" = 'PROCESSING'"#
    };
}
pub(in crate::postgres) use fenced_row;
