//! Ends failed and cancelled runs, several in one statement.

use std::collections::HashSet;

use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};
use sqlx::Row as _;

use super::{ended::already, load};
use crate::{
    frontend_rows::error_output,
    ports::lifecycle::Fence,
    postgres::{
        combiner::Row,
        pool::{connections::PooledConn, db_error::DbError},
        shared::{fenced_row, free_runs, lock_limit},
        stages::frontend_steps::{end_at_step, seconds_until, step_of_row},
        values::{column, text},
    },
};

/// The end of a failed or cancelled run, in the form of its columns.
#[derive(Debug)]
pub(in crate::postgres) struct FailRow {
    fence: Fence,
    at: Timestamp,
    status: RunStatus,
    code: &'static str,
    stage: Option<i32>,
    message: String,
    can_retry: bool,
    /// US dollars.
    lost: f64,
    /// The output of the step at which the run stopped.
    output: String,
}

impl FailRow {
    pub(in crate::postgres) fn new(
        fence: &Fence,
        failure: &RunFailure,
        (status, at): (RunStatus, Timestamp),
    ) -> Self {
        Self {
            fence: fence.clone(),
            at,
            status,
            code: failure.code.as_str(),
            stage: failure.stage.map(|stage| i32::from(stage.number())),
            message: text(&failure.message).into_owned(),
            can_retry: failure.can_retry,
            lost: failure.usage.cost_usd,
            output: text(&error_output(Some(failure))).into_owned(),
        }
    }
}

impl Row for FailRow {
    fn run(&self) -> &RunId {
        &self.fence.run
    }

    fn bytes(&self) -> usize {
        self.message.len() + self.output.len()
    }
}

/// Ends several runs that failed. $1 runs, $2 owners, $3 epochs, $4 generations, $5 when (ms), $6 statuses, $7 to $10 the
/// failures, $11 US dollars lost, $12 the outputs of the steps at which they stopped
macro_rules! fail_sql {
    ($how:ident) => {
        concat!(
            "WITH ",
            lock_limit!($how),
            r#",
mine AS MATERIALIZED (
  SELECT m.* FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[], $5::int8[], $6::text[], $7::text[], $8::int4[],
    $9::text[], $10::bool[], $11::float8[], $12::text[]) AS m("run", "owner", "epoch", "generation", "at", "status", "code",
    "stage", "message", "canRetry", "lost", "output") CROSS JOIN limited
),
"#,
            free_runs!($how),
            r#",
ended AS (
  UPDATE "PipelineRun" r SET "status" = m."status"::"RunStatus",
    "completedAt" = GREATEST(to_timestamp(m."at"::float8 / 1000) AT TIME ZONE 'UTC', r."createdAt"),
    "duration" = "#,
            seconds_until!(r#"m."at""#),
            r#",
    "errorCode" = m."code", "errorStage" = m."stage", "errorMessage" = m."message", "errorCanRetry" = m."canRetry",
    "lostUsd" = r."lostUsd" + m."lost", "leaseOwner" = NULL, "leaseUntil" = NULL, "updatedAt" = now()
  FROM mine m, free f
  WHERE "#,
            fenced_row!(),
            r#"
  RETURNING r."id", r."status", r."completedAt", m."output", "#,
            step_of_row!(),
            r#" AS "step"
),
"#,
            end_at_step!("ended", r#"f."output""#),
            r#" SELECT "id" FROM ended"#
        )
    };
}

const FAIL_SHARED: &str = fail_sql!(shared);
const FAIL_ALONE: &str = fail_sql!(alone);

/// One round trip; a second one if the run is no longer ours.
pub(in crate::postgres) async fn fail(conn: &mut PooledConn<'_>, row: &FailRow) -> Result<(), DbError> {
    let ended = fail_by(conn, FAIL_ALONE, std::slice::from_ref(row)).await?;
    if ended.is_empty() { already(conn, &row.fence, row.status).await } else { Ok(()) }
}

/// Ends several failed runs in one round trip. Returns those that have ended now.
pub(in crate::postgres) async fn fail_shared(
    conn: &mut PooledConn<'_>,
    rows: &[FailRow],
) -> Result<HashSet<String>, DbError> {
    fail_by(conn, FAIL_SHARED, rows).await
}

async fn fail_by(
    conn: &mut PooledConn<'_>,
    sql: &'static str,
    rows: &[FailRow],
) -> Result<HashSet<String>, DbError> {
    let ended = conn
        .query(sql)
        .bind(column(rows, |row| row.fence.run.as_str()))
        .bind(column(rows, |row| row.fence.owner.as_str()))
        .bind(column(rows, |row| row.fence.epoch))
        .bind(column(rows, |row| row.fence.generation))
        .bind(column(rows, |row| row.at.timestamp_millis()))
        .bind(column(rows, |row| load::word(row.status)))
        .bind(column(rows, |row| row.code))
        .bind(column(rows, |row| row.stage))
        .bind(column(rows, |row| row.message.as_str()))
        .bind(column(rows, |row| row.can_retry))
        .bind(column(rows, |row| row.lost))
        .bind(column(rows, |row| row.output.as_str()))
        .fetch_all(conn.connection()?)
        .await?;
    ended.iter().map(|row| Ok(row.try_get("id")?)).collect()
}
