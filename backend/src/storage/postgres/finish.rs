//! The end of a run: its status, its report, and the rows that the frontend reads, in one statement.

use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    grounding::{StageGrounding, run_share},
    record::{StageRecord, sha256_hex},
    run::RunStatus,
};
use sqlx::Row as _;
use uuid::Uuid;

use super::{
    super::{End, Fence, StorageError, StorageErrorKind, frontend_rows::FrontendRows},
    Fault, Held, fenced, load,
    outbox::owe,
    text,
};

/// A run's results.
#[derive(Debug)]
pub(super) struct Completed<'a> {
    pub(super) records: &'a [StageRecord],
    pub(super) report: &'a str,
    pub(super) rows: &'a FrontendRows,
    pub(super) at: Timestamp,
}

/// $1 run, $2 owner, $3 epoch, $4 generation, $5 when (ms), $6 report, $7 its digest, $8 grounding; `StageOutput`:
/// $9 ids, $10 numbers, $11 names, $12 outputs, $13 when (ms); `OpportunityCard`: $14 ids, $15 numbers, $16 titles,
/// $17 contents; `InspirationReport`: $18 id, $19 and $20 tracks, $21 texts; $22 whether the frontend is told
const COMPLETE: &str = concat!(
    r#"
WITH ended AS (
  UPDATE "PipelineRun" SET "status" = 'COMPLETED',
    "completedAt" = GREATEST(to_timestamp($5::float8 / 1000) AT TIME ZONE 'UTC', "createdAt"),
    "duration" = LEAST(GREATEST($5::int8 - (extract(epoch FROM "createdAt") * 1000)::int8, 0), 2147483647)::int4,
    "fullReportMarkdown" = $6, "reportDigest" = $7, "grounding" = $8,
    "errorCode" = NULL, "errorStage" = NULL, "errorMessage" = NULL, "errorCanRetry" = NULL,
    "leaseOwner" = NULL, "leaseUntil" = NULL, "updatedAt" = now()
  WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'
  RETURNING "id", "generation"
),
"#,
    owe!("ended", "ARRAY[5, 6]", "$22"),
    r#",
outputs AS (
  INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt")
  SELECT s.id, ended."id", s.number, s.name, 'COMPLETED', s.output,
         to_timestamp(s.at::float8 / 1000) AT TIME ZONE 'UTC'
  FROM ended, unnest($9::text[], $10::int4[], $11::text[], $12::text[], $13::int8[]) AS s(id, number, name, output, at)
  ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "stageName" = EXCLUDED."stageName",
    "status" = EXCLUDED."status", "output" = EXCLUDED."output", "completedAt" = EXCLUDED."completedAt"
),
cards AS (
  INSERT INTO "OpportunityCard" ("id", "runId", "number", "title", "content", "updatedAt")
  SELECT c.id, ended."id", c.number, c.title, c.content, now() AT TIME ZONE 'UTC'
  FROM ended, unnest($14::text[], $15::int4[], $16::text[], $17::text[]) AS c(id, number, title, content)
  ON CONFLICT ("runId", "number") DO NOTHING
),
page AS (
  INSERT INTO "InspirationReport" ("id", "runId", "selectedTrack", "nonSelectedTrack", "stage1Output",
    "stage2Output", "stage3Output", "stage4Output", "stage5Output", "updatedAt")
  SELECT $18, ended."id", $19, $20, ($21::text[])[1], ($21::text[])[2], ($21::text[])[3], ($21::text[])[4],
    ($21::text[])[5], now() AT TIME ZONE 'UTC'
  FROM ended
  ON CONFLICT ("runId") DO NOTHING
)
SELECT "id" FROM ended"#
);

/// Ends a run as it has ended; a completed one with the frontend's rows.
pub(super) async fn finish(
    held: &mut Held<'_>,
    fence: &Fence,
    end: End<'_>,
    rows: Option<&FrontendRows>,
    at: Timestamp,
    tells: bool,
) -> Result<(), Fault> {
    match (end, rows) {
        (End::Completed { records, report }, Some(rows)) => {
            complete(held, fence, &Completed { records, report, rows, at }, tells).await
        }
        (End::Completed { .. }, None) => {
            let what = "a completed run without the rows that the frontend reads".to_owned();
            Err(Fault::Store(StorageError::new(StorageErrorKind::Refused, what)))
        }
        (End::Failed(failure), _) => fail(held, fence, failure, (end.status(), at), tells).await,
    }
}

/// One round trip; one more where the run is no longer ours.
pub(super) async fn complete(
    held: &mut Held<'_>,
    fence: &Fence,
    completed: &Completed<'_>,
    tells: bool,
) -> Result<(), Fault> {
    let rows = completed.rows;
    let grounding: Vec<StageGrounding> =
        completed.records.iter().map(|record| record.meta.grounding.clone()).collect();
    let report = text(completed.report);
    let (stages, cards) = (rows.stages.iter(), rows.cards.iter());
    let ended = held
        .query(COMPLETE)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(completed.at.timestamp_millis())
        .bind(&*report)
        .bind(sha256_hex(report.as_bytes()))
        .bind(run_share(&grounding))
        .bind(new_ids(rows.stages.len()))
        .bind(stages.clone().map(|row| row.number).collect::<Vec<_>>())
        .bind(stages.clone().map(|row| row.name).collect::<Vec<_>>())
        .bind(stages.clone().map(|row| text(&row.output)).collect::<Vec<_>>())
        .bind(stages.map(|row| row.completed_at.timestamp_millis()).collect::<Vec<_>>())
        .bind(new_ids(rows.cards.len()))
        .bind(cards.clone().map(|card| card.number).collect::<Vec<_>>())
        .bind(cards.clone().map(|card| text(&card.title)).collect::<Vec<_>>())
        .bind(cards.map(|card| text(&card.content)).collect::<Vec<_>>())
        .bind(Uuid::new_v4().to_string())
        .bind(text(&rows.selected_track))
        .bind(text(&rows.non_selected_track))
        .bind((1..=5).map(|number| text(rows.stage_text(number))).collect::<Vec<_>>())
        .bind(tells)
        .fetch_optional(held.connection()?)
        .await?;
    match ended {
        Some(_) => Ok(()),
        None => already(held, fence, RunStatus::Completed).await,
    }
}

/// $1 run, $2 owner, $3 epoch, $4 generation, $5 when (ms), $6 status, $7 to $10 the failure, $11 US dollars lost,
/// $12 whether the frontend is told
const FAIL: &str = concat!(
    r#"
WITH ended AS (
UPDATE "PipelineRun" SET "status" = $6::"RunStatus",
  "completedAt" = GREATEST(to_timestamp($5::float8 / 1000) AT TIME ZONE 'UTC', "createdAt"),
  "duration" = LEAST(GREATEST($5::int8 - (extract(epoch FROM "createdAt") * 1000)::int8, 0), 2147483647)::int4,
  "errorCode" = $7, "errorStage" = $8, "errorMessage" = $9, "errorCanRetry" = $10, "lostUsd" = "lostUsd" + $11,
  "leaseOwner" = NULL, "leaseUntil" = NULL, "updatedAt" = now()
WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'
RETURNING "id", "generation"
), "#,
    owe!("ended", "ARRAY[7]", "$12"),
    r#" SELECT "id" FROM ended"#
);

/// One round trip; one more where the run is no longer ours.
pub(super) async fn fail(
    held: &mut Held<'_>,
    fence: &Fence,
    failure: &RunFailure,
    (status, at): (RunStatus, Timestamp),
    tells: bool,
) -> Result<(), Fault> {
    let ended = held
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
        .bind(tells)
        .fetch_optional(held.connection()?)
        .await?;
    match ended {
        Some(_) => Ok(()),
        None => already(held, fence, status).await,
    }
}

/// Success if the run has ended so under this very fence: the answer to an earlier attempt was lost.
async fn already(held: &mut Held<'_>, fence: &Fence, status: RunStatus) -> Result<(), Fault> {
    let sql = r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = $1 AND "leaseEpoch" = $2 AND "generation" = $3
                 AND "leaseOwner" IS NULL"#;
    let row = held
        .query(sql)
        .bind(fence.run.as_str())
        .bind(fence.epoch)
        .bind(fence.generation)
        .fetch_optional(held.connection()?)
        .await?;
    match row {
        Some(row) if load::status(row.try_get(0)?)? == status => Ok(()),
        _ => Err(fenced(&fence.run)),
    }
}

fn new_ids(count: usize) -> Vec<String> {
    (0..count).map(|_| Uuid::new_v4().to_string()).collect()
}
