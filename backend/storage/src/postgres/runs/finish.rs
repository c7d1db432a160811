//! Ends a run in one statement: its status, its report, and the rows that the frontend reads.

use std::collections::HashSet;

use pipeline::{
    clock::Timestamp,
    grounding::{StageGrounding, run_share},
    record::{StageRecord, sha256_hex},
    run::{RunId, RunStatus},
};
use sqlx::{Postgres, Row as _, postgres::PgArguments, query::Query};

use crate::{
    error::{StorageError, StorageErrorKind},
    frontend_rows::FrontendRows,
    ports::lifecycle::Fence,
    postgres::{
        combiner::Row,
        owed_events::enqueue_event,
        pool::{connections::PooledConn, db_error::DbError},
        runs::{
            ended::already,
            fail::{FailRow, fail},
        },
        shared::{fenced_row, free_runs, lock_limit},
        stages::frontend_steps::{payload, seconds_until, step_names},
        values::{column, text},
    },
    run::End,
};

/// The end of a completed run, in the form of its columns.
#[derive(Debug)]
pub(in crate::postgres) struct EndRow {
    fence: Fence,
    at: Timestamp,
    report: String,
    report_sha256: String,
    grounding: Option<f64>,
    rows: FrontendRows,
}

impl EndRow {
    pub(in crate::postgres) fn new(
        fence: &Fence,
        (records, report): (&[StageRecord], &str),
        rows: FrontendRows,
        at: Timestamp,
    ) -> Self {
        let grounding: Vec<StageGrounding> =
            records.iter().map(|record| record.meta.grounding.clone()).collect();
        let report = text(report).into_owned();
        Self {
            fence: fence.clone(),
            at,
            report_sha256: sha256_hex(report.as_bytes()),
            report,
            grounding: run_share(&grounding),
            rows,
        }
    }
}

impl Row for EndRow {
    fn run(&self) -> &RunId {
        &self.fence.run
    }

    fn bytes(&self) -> usize {
        let rows = &self.rows;
        let cards: usize = rows.cards.iter().map(|card| card.title.len() + card.content.len()).sum();
        let texts: usize = rows.texts.iter().map(String::len).sum();
        self.report.len() + rows.summary.len() + rows.opportunities.len() + cards + texts
    }
}

/// A part of a statement: what the frontend's rows of several runs hold, besides their stages.
///
/// $1 runs, $2 fields for the first `StageOutput` rows, $3 outputs of the fifth ones, $4 and $5 tracks and $6 to $10 texts of
/// `InspirationReport`; `StageOutput`: $11 runs, $12 numbers, $13 when (ms); `OpportunityCard`: $14 runs, $15 numbers,
/// $16 titles, $17 contents
macro_rules! given_rows {
    () => {
        r#"given AS MATERIALIZED (
  SELECT g."run", g."summary"::jsonb AS "summary", g."fifth", g."selected", g."other", g."text1", g."text2", g."text3",
    g."text4", g."text5"
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[]) AS g("run", "summary", "fifth", "selected", "other", "text1", "text2", "text3", "text4", "text5")
),
given_steps AS MATERIALIZED (
  SELECT * FROM unnest($11::text[], $12::int4[], $13::int8[]) AS s("run", "number", "at")
),
given_cards AS MATERIALIZED (
  SELECT * FROM unnest($14::text[], $15::int4[], $16::text[], $17::text[]) AS c("run", "number", "title", "content")
)"#
    };
}

/// Parts of a statement: write the frontend rows of completed runs, from a part "ended" with the runs' columns and the parts of
/// [`given_rows!`]. An existing stage row stays, except a first one that lacks the fields of later stages. An existing card keeps
/// its star, because the user set it.
macro_rules! frontend_rows {
    () => {
        concat!(
            r#"steps AS (
  INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt", "createdAt")
  SELECT gen_random_uuid()::text, e."id", s."number", "#,
            step_names!(),
            r#"[s."number"], 'COMPLETED',
    CASE s."number" WHEN 1 THEN ("#,
            payload!(r#"e."stage1Output""#),
            r#" || g."summary")::text WHEN 2 THEN ("#,
            payload!(r#"e."stage2Output""#),
            r#")::text WHEN 3 THEN ("#,
            payload!(r#"e."stage3Output""#),
            r#")::text WHEN 4 THEN ("#,
            payload!(r#"e."stage4Output""#),
            r#")::text ELSE g."fifth" END,
    to_timestamp(s."at"::float8 / 1000) AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM ended AS e JOIN given AS g ON g."run" = e."id" JOIN given_steps AS s ON s."run" = e."id"
  WHERE s."number" = 5 OR NOT EXISTS (
    SELECT FROM "StageOutput" k WHERE k."runId" = e."id" AND k."stageNumber" = s."number" AND k."status" = 'COMPLETED'
      AND k."output" <> '' AND (s."number" > 1 OR strpos(k."output", '"businessImpact"') > 0))
  ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "status" = EXCLUDED."status", "output" = EXCLUDED."output",
    "completedAt" = EXCLUDED."completedAt"
  WHERE ("StageOutput"."status", "StageOutput"."output") IS DISTINCT FROM (EXCLUDED."status", EXCLUDED."output")
),
cards AS (
  INSERT INTO "OpportunityCard" AS o ("id", "runId", "number", "title", "content", "createdAt", "updatedAt")
  SELECT gen_random_uuid()::text, e."id", c."number", c."title", c."content", now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM ended AS e JOIN given_cards AS c ON c."run" = e."id"
  ON CONFLICT ("runId", "number") DO UPDATE SET "title" = EXCLUDED."title", "content" = EXCLUDED."content",
    "updatedAt" = EXCLUDED."updatedAt"
  WHERE (o."title", o."content") IS DISTINCT FROM (EXCLUDED."title", EXCLUDED."content")
),
page AS (
  INSERT INTO "InspirationReport" AS p ("id", "runId", "selectedTrack", "nonSelectedTrack", "stage1Output",
    "stage2Output", "stage3Output", "stage4Output", "stage5Output", "createdAt", "updatedAt")
  SELECT gen_random_uuid()::text, e."id", g."selected", g."other", g."text1", g."text2", g."text3", g."text4", g."text5",
    now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM ended AS e JOIN given AS g ON g."run" = e."id"
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

/// Completes several runs. $1 runs, $2 to $17 the frontend's rows, $18 owners, $19 epochs, $20 generations, $21 when (ms),
/// $22 reports, $23 their digests, $24 grounding, $25 whether webhooks are on
macro_rules! complete_sql {
    ($how:ident) => {
        concat!(
            "WITH ",
            lock_limit!($how),
            r#",
mine AS MATERIALIZED (
  SELECT m.* FROM unnest($1::text[], $18::text[], $19::int4[], $20::int4[], $21::int8[], $22::text[], $23::text[],
    $24::float8[]) AS m("run", "owner", "epoch", "generation", "at", "report", "digest", "grounding") CROSS JOIN limited
),
"#,
            free_runs!($how),
            ",\n",
            given_rows!(),
            r#",
ended AS (
  UPDATE "PipelineRun" r SET "status" = 'COMPLETED',
    "completedAt" = GREATEST(to_timestamp(m."at"::float8 / 1000) AT TIME ZONE 'UTC', r."createdAt"),
    "duration" = "#,
            seconds_until!(r#"m."at""#),
            r#",
    "fullReportMarkdown" = m."report", "reportDigest" = m."digest", "grounding" = m."grounding",
    "errorCode" = NULL, "errorStage" = NULL, "errorMessage" = NULL, "errorCanRetry" = NULL,
    "leaseOwner" = NULL, "leaseUntil" = NULL, "updatedAt" = now()
  FROM mine m, free f
  WHERE "#,
            fenced_row!(),
            r#"
  RETURNING r."id", r."generation", r."stage1Output", r."stage2Output", r."stage3Output", r."stage4Output"
),
"#,
            enqueue_event!("ended", "ARRAY[6]", "$25"),
            ",\n",
            frontend_rows!()
        )
    };
}

const COMPLETE_SHARED: &str = complete_sql!(shared);
const COMPLETE_ALONE: &str = complete_sql!(alone);

/// Adds the frontend rows of a completed run. They are missing if the frontend completed the run after our
/// webhook, or if somebody deleted them. $1 run, $2 to $17 the frontend's rows, $18 generation
///
/// The frontend's own inserts need a key-share lock on the run. The weaker lock here does not block them.
const FILL_ROWS: &str = concat!(
    "WITH ",
    given_rows!(),
    r#",
ended AS (
  SELECT "id", "stage1Output", "stage2Output", "stage3Output", "stage4Output" FROM "PipelineRun"
  WHERE "id" = ($1::text[])[1] AND "generation" = $18 AND "status" = 'COMPLETED' FOR NO KEY UPDATE
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
            complete(conn, &EndRow::new(fence, (records, report), rows.clone(), at), tells).await
        }
        (End::Completed { .. }, None) => {
            let what = "a completed run without the rows that the frontend reads".to_owned();
            Err(DbError::Store(StorageError::new(StorageErrorKind::Invalid, what)))
        }
        (End::Failed(failure), _) => fail(conn, &FailRow::new(fence, failure, (end.status(), at))).await,
    }
}

/// One round trip; a second one if the run is no longer ours.
async fn complete(conn: &mut PooledConn<'_>, row: &EndRow, tells: bool) -> Result<(), DbError> {
    let ended = complete_by(conn, COMPLETE_ALONE, std::slice::from_ref(row), tells).await?;
    if ended.is_empty() { already(conn, &row.fence, RunStatus::Completed).await } else { Ok(()) }
}

/// Completes several runs in one round trip. Returns those that have ended now. The others are to be completed one by one.
pub(in crate::postgres) async fn complete_shared(
    conn: &mut PooledConn<'_>,
    rows: &[EndRow],
    tells: bool,
) -> Result<HashSet<String>, DbError> {
    complete_by(conn, COMPLETE_SHARED, rows, tells).await
}

async fn complete_by(
    conn: &mut PooledConn<'_>,
    sql: &'static str,
    rows: &[EndRow],
    tells: bool,
) -> Result<HashSet<String>, DbError> {
    let all: Vec<_> = rows.iter().map(|row| (&row.fence.run, &row.rows)).collect();
    let ended = bind_rows(conn.query(sql), &all)
        .bind(column(rows, |row| row.fence.owner.as_str()))
        .bind(column(rows, |row| row.fence.epoch))
        .bind(column(rows, |row| row.fence.generation))
        .bind(column(rows, |row| row.at.timestamp_millis()))
        .bind(column(rows, |row| row.report.as_str()))
        .bind(column(rows, |row| row.report_sha256.as_str()))
        .bind(column(rows, |row| row.grounding))
        .bind(tells)
        .fetch_all(conn.connection()?)
        .await?;
    ended.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

/// Binds $1 to $17 of [`given_rows!`].
fn bind_rows<'q>(
    query: Query<'q, Postgres, PgArguments>,
    all: &[(&'q RunId, &'q FrontendRows)],
) -> Query<'q, Postgres, PgArguments> {
    let mut query = query
        .bind(column(all, |(run, _)| run.as_str()))
        .bind(column(all, |(_, rows)| rows.summary.as_str()))
        .bind(column(all, |(_, rows)| text(&rows.opportunities)))
        .bind(column(all, |(_, rows)| text(&rows.selected_track)))
        .bind(column(all, |(_, rows)| text(&rows.non_selected_track)));
    let mut texts: [Vec<_>; 5] = Default::default();
    for (_, rows) in all {
        for (column, part) in texts.iter_mut().zip(&rows.texts) {
            column.push(text(part));
        }
    }
    for column in texts {
        query = query.bind(column);
    }
    let steps: Vec<_> = of_runs(all, |rows| &rows.finished_at);
    let cards: Vec<_> = of_runs(all, |rows| &rows.cards);
    query
        .bind(column(&steps, |(run, _)| *run))
        .bind(column(&steps, |(_, (number, _))| *number))
        .bind(column(&steps, |(_, (_, at))| at.timestamp_millis()))
        .bind(column(&cards, |(run, _)| *run))
        .bind(column(&cards, |(_, card)| card.number))
        .bind(column(&cards, |(_, card)| text(&card.title)))
        .bind(column(&cards, |(_, card)| text(&card.content)))
}

/// The parts of all runs, each with its run's id.
fn of_runs<'q, T>(
    all: &[(&'q RunId, &'q FrontendRows)],
    parts: impl Fn(&'q FrontendRows) -> &'q [T],
) -> Vec<(&'q str, &'q T)> {
    all.iter().flat_map(|(run, rows)| parts(rows).iter().map(|part| (run.as_str(), part))).collect()
}

/// Adds the missing frontend rows of a completed run of this generation.
pub(in crate::postgres) async fn fill_rows(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    generation: i32,
    rows: &FrontendRows,
) -> Result<(), DbError> {
    let query = bind_rows(conn.query(FILL_ROWS), &[(run, rows)]);
    query.bind(generation).fetch_optional(conn.connection()?).await?;
    Ok(())
}
