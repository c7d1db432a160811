//! Ends a run in one statement: its status, its report, and the rows that the frontend reads.

use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    grounding::{StageGrounding, run_share},
    record::{StageRecord, sha256_hex},
    run::{RunId, RunStatus},
};
use sqlx::{Postgres, Row as _, postgres::PgArguments, query::Query};

use crate::{
    error::{StorageError, StorageErrorKind},
    frontend_rows::{FrontendRows, error_output},
    ports::lifecycle::Fence,
    postgres::{
        outbox::enqueue_event,
        pool::{
            connections::PooledConn,
            db_error::{DbError, fenced},
        },
        runs::load,
        stages::frontend_steps::{end_at_step, payload, seconds_until, step_names, step_of_row},
        values::text,
    },
    run::End,
};

/// The results of a run.
#[derive(Debug)]
pub(in crate::postgres) struct Completed<'a> {
    pub(in crate::postgres) records: &'a [StageRecord],
    pub(in crate::postgres) report: &'a str,
    pub(in crate::postgres) rows: &'a FrontendRows,
    pub(in crate::postgres) at: Timestamp,
}

/// A part of a statement: writes the frontend rows of a completed run, from a part "ended" with the run's
/// columns. An existing stage row stays, except a first one that lacks the fields of later stages. An
/// existing card keeps its star, because the user set it.
///
/// `StageOutput`: $2 numbers, $3 when (ms), $4 fields for the first row, $5 the fifth row's output.
/// `OpportunityCard`: $6 numbers, $7 titles, $8 contents. `InspirationReport`: $9 and $10 tracks, $11 texts
macro_rules! frontend_rows {
    () => {
        concat!(
            r#"steps AS (
  INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt", "createdAt")
  SELECT gen_random_uuid()::text, e."id", s.number, "#,
            step_names!(),
            r#"[s.number], 'COMPLETED',
    CASE s.number WHEN 1 THEN ("#,
            payload!(r#"e."stage1Output""#),
            r#" || $4::jsonb)::text WHEN 2 THEN ("#,
            payload!(r#"e."stage2Output""#),
            r#")::text WHEN 3 THEN ("#,
            payload!(r#"e."stage3Output""#),
            r#")::text WHEN 4 THEN ("#,
            payload!(r#"e."stage4Output""#),
            r#")::text ELSE $5 END,
    to_timestamp(s.at::float8 / 1000) AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM ended AS e, unnest($2::int4[], $3::int8[]) AS s(number, at)
  WHERE s.number = 5 OR NOT EXISTS (
    SELECT FROM "StageOutput" k WHERE k."runId" = e."id" AND k."stageNumber" = s.number AND k."status" = 'COMPLETED'
      AND k."output" <> '' AND (s.number > 1 OR strpos(k."output", '"businessImpact"') > 0))
  ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "status" = EXCLUDED."status", "output" = EXCLUDED."output",
    "completedAt" = EXCLUDED."completedAt"
  WHERE ("StageOutput"."status", "StageOutput"."output") IS DISTINCT FROM (EXCLUDED."status", EXCLUDED."output")
),
cards AS (
  INSERT INTO "OpportunityCard" AS o ("id", "runId", "number", "title", "content", "createdAt", "updatedAt")
  SELECT gen_random_uuid()::text, e."id", c.number, c.title, c.content, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM ended AS e, unnest($6::int4[], $7::text[], $8::text[]) AS c(number, title, content)
  ON CONFLICT ("runId", "number") DO UPDATE SET "title" = EXCLUDED."title", "content" = EXCLUDED."content",
    "updatedAt" = EXCLUDED."updatedAt"
  WHERE (o."title", o."content") IS DISTINCT FROM (EXCLUDED."title", EXCLUDED."content")
),
page AS (
  INSERT INTO "InspirationReport" AS p ("id", "runId", "selectedTrack", "nonSelectedTrack", "stage1Output",
    "stage2Output", "stage3Output", "stage4Output", "stage5Output", "createdAt", "updatedAt")
  SELECT gen_random_uuid()::text, e."id", $9, $10, ($11::text[])[1], ($11::text[])[2], ($11::text[])[3],
    ($11::text[])[4], ($11::text[])[5], now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM ended AS e
  ON CONFLICT ("runId") DO UPDATE SET "selectedTrack" = EXCLUDED."selectedTrack",
    "nonSelectedTrack" = EXCLUDED."nonSelectedTrack", "stage1Output" = EXCLUDED."stage1Output",
    "stage2Output" = EXCLUDED."stage2Output", "stage3Output" = EXCLUDED."stage3Output",
    "stage4Output" = EXCLUDED."stage4Output", "stage5Output" = EXCLUDED."stage5Output",
    "updatedAt" = EXCLUDED."updatedAt"
  WHERE (p."selectedTrack", p."nonSelectedTrack", p."stage1Output", p."stage2Output", p."stage3Output",
    p."stage4Output", p."stage5Output") IS DISTINCT FROM (EXCLUDED."selectedTrack", EXCLUDED."nonSelectedTrack",
    EXCLUDED."stage1Output", EXCLUDED."stage2Output", EXCLUDED."stage3Output", EXCLUDED."stage4Output",
    EXCLUDED."stage5Output")
)
SELECT "id" FROM ended"#
        )
    };
}

/// $1 run, $2 to $11 the frontend's rows, $12 owner, $13 epoch, $14 generation, $15 when (ms), $16 report,
/// $17 its digest, $18 grounding, $19 whether webhooks are on
const COMPLETE: &str = concat!(
    r#"
WITH ended AS (
  UPDATE "PipelineRun" SET "status" = 'COMPLETED',
    "completedAt" = GREATEST(to_timestamp($15::float8 / 1000) AT TIME ZONE 'UTC', "createdAt"),
    "duration" = "#,
    seconds_until!("$15"),
    r#",
    "fullReportMarkdown" = $16, "reportDigest" = $17, "grounding" = $18,
    "errorCode" = NULL, "errorStage" = NULL, "errorMessage" = NULL, "errorCanRetry" = NULL,
    "leaseOwner" = NULL, "leaseUntil" = NULL, "updatedAt" = now()
  WHERE "id" = $1 AND "leaseOwner" = $12 AND "leaseEpoch" = $13 AND "generation" = $14 AND "status" = 'PROCESSING'
  RETURNING "id", "generation", "stage1Output", "stage2Output", "stage3Output", "stage4Output"
),
"#,
    enqueue_event!("ended", "ARRAY[6]", "$19"),
    ",\n",
    frontend_rows!()
);

/// Adds the frontend rows of a completed run. They are missing if the frontend completed the run after our
/// webhook, or if somebody deleted them. $1 run, $2 to $11 the frontend's rows, $12 generation
///
/// The frontend's own inserts need a key-share lock on the run. The weaker lock here does not block them.
const FILL_ROWS: &str = concat!(
    r#"
WITH ended AS (
  SELECT "id", "stage1Output", "stage2Output", "stage3Output", "stage4Output" FROM "PipelineRun"
  WHERE "id" = $1 AND "generation" = $12 AND "status" = 'COMPLETED' FOR NO KEY UPDATE
),
"#,
    frontend_rows!()
);

/// Ends a run. A completed run needs the frontend's rows.
pub(in crate::postgres) async fn finish(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    end: End<'_>,
    rows: Option<&FrontendRows>,
    at: Timestamp,
    tells: bool,
) -> Result<(), DbError> {
    match (end, rows) {
        (End::Completed { records, report }, Some(rows)) => {
            complete(conn, fence, &Completed { records, report, rows, at }, tells).await
        }
        (End::Completed { .. }, None) => {
            let what = "a completed run without the rows that the frontend reads".to_owned();
            Err(DbError::Store(StorageError::new(StorageErrorKind::Invalid, what)))
        }
        (End::Failed(failure), _) => fail(conn, fence, failure, (end.status(), at)).await,
    }
}

/// One round trip; a second one if the run is no longer ours.
pub(in crate::postgres) async fn complete(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    completed: &Completed<'_>,
    tells: bool,
) -> Result<(), DbError> {
    let grounding: Vec<StageGrounding> =
        completed.records.iter().map(|record| record.meta.grounding.clone()).collect();
    let report = text(completed.report);
    let query = bind_rows(conn.query(COMPLETE).bind(fence.run.as_str()), completed.rows);
    let ended = query
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(completed.at.timestamp_millis())
        .bind(&*report)
        .bind(sha256_hex(report.as_bytes()))
        .bind(run_share(&grounding))
        .bind(tells)
        .fetch_optional(conn.connection()?)
        .await?;
    match ended {
        Some(_) => Ok(()),
        None => already(conn, fence, RunStatus::Completed).await,
    }
}

/// Binds $2 to $11 of [`frontend_rows!`].
fn bind_rows<'q>(
    query: Query<'q, Postgres, PgArguments>,
    rows: &'q FrontendRows,
) -> Query<'q, Postgres, PgArguments> {
    let cards = rows.cards.iter();
    query
        .bind(rows.finished_at.iter().map(|(number, _)| *number).collect::<Vec<_>>())
        .bind(rows.finished_at.iter().map(|(_, at)| at.timestamp_millis()).collect::<Vec<_>>())
        .bind(&rows.summary)
        .bind(text(&rows.opportunities))
        .bind(cards.clone().map(|card| card.number).collect::<Vec<_>>())
        .bind(cards.clone().map(|card| text(&card.title)).collect::<Vec<_>>())
        .bind(cards.map(|card| text(&card.content)).collect::<Vec<_>>())
        .bind(text(&rows.selected_track))
        .bind(text(&rows.non_selected_track))
        .bind(rows.texts.iter().map(|part| text(part)).collect::<Vec<_>>())
}

/// Adds the missing frontend rows of a completed run of this generation.
pub(in crate::postgres) async fn fill_rows(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    generation: i32,
    rows: &FrontendRows,
) -> Result<(), DbError> {
    let query = bind_rows(conn.query(FILL_ROWS).bind(run.as_str()), rows);
    query.bind(generation).fetch_optional(conn.connection()?).await?;
    Ok(())
}

/// $1 run, $2 owner, $3 epoch, $4 generation, $5 when (ms), $6 status, $7 to $10 the failure, $11 US dollars
/// lost, $12 the output of the step at which the run stopped
const FAIL: &str = concat!(
    r#"
WITH ended AS (
UPDATE "PipelineRun" SET "status" = $6::"RunStatus",
  "completedAt" = GREATEST(to_timestamp($5::float8 / 1000) AT TIME ZONE 'UTC', "createdAt"),
  "duration" = "#,
    seconds_until!("$5"),
    r#",
  "errorCode" = $7, "errorStage" = $8, "errorMessage" = $9, "errorCanRetry" = $10, "lostUsd" = "lostUsd" + $11,
  "leaseOwner" = NULL, "leaseUntil" = NULL, "updatedAt" = now()
WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'
RETURNING "id", "status", "completedAt", "#,
    step_of_row!(),
    r#" AS "step"
), "#,
    end_at_step!("ended", "$12"),
    r#" SELECT "id" FROM ended"#
);

/// One round trip; a second one if the run is no longer ours.
pub(in crate::postgres) async fn fail(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    failure: &RunFailure,
    (status, at): (RunStatus, Timestamp),
) -> Result<(), DbError> {
    let ended = conn
        .query(FAIL)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(at.timestamp_millis())
        .bind(load::word(status))
        .bind(failure.code.as_str())
        .bind(failure.stage.map(|stage| i32::from(stage.number())))
        .bind(text(&failure.message))
        .bind(failure.can_retry)
        .bind(failure.usage.cost_usd)
        .bind(text(&error_output(Some(failure))))
        .fetch_optional(conn.connection()?)
        .await?;
    match ended {
        Some(_) => Ok(()),
        None => already(conn, fence, status).await,
    }
}

/// Succeeds if the run already has this end under this fence. Then the answer to an earlier attempt was lost.
async fn already(conn: &mut PooledConn<'_>, fence: &Fence, status: RunStatus) -> Result<(), DbError> {
    let sql = r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = $1 AND "leaseEpoch" = $2 AND "generation" = $3
                 AND "leaseOwner" IS NULL"#;
    let row = conn
        .query(sql)
        .bind(fence.run.as_str())
        .bind(fence.epoch)
        .bind(fence.generation)
        .fetch_optional(conn.connection()?)
        .await?;
    match row {
        Some(row) if load::status(row.try_get(0)?)? == status => Ok(()),
        _ => Err(fenced(&fence.run)),
    }
}
