//! Stores stages once, never replaces them, and reads each back as it was stored.

use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, Stage},
};
use sqlx::Row as _;

use crate::{
    error::{StorageError, StorageErrorKind},
    frontend_rows::{later_fields, own_fields, step_after},
    part::Part,
    ports::lifecycle::Fence,
    postgres::{
        pool::{
            connections::PooledConn,
            db_error::{DbError, fenced},
        },
        runs::load,
        stages::frontend_steps::{begin_step, step_names, step_of_row},
        values::refused,
    },
};

/// A record in the form of its column.
#[derive(Debug)]
pub(in crate::postgres) struct Stored {
    pub(in crate::postgres) stage: Stage,
    pub(in crate::postgres) json: String,
    pub(in crate::postgres) sha256: String,
    finished_at: Timestamp,
    /// The fields of its `StageOutput` row besides the record's, as a JSON object.
    own_fields: String,
    /// The members that it adds to the JSON object of the first `StageOutput` row.
    later_fields: String,
}

impl Stored {
    pub(in crate::postgres) fn new(record: &StageRecord) -> Result<Self, StorageError> {
        let json = serde_json::to_string(record).map_err(|error| {
            StorageError::new(StorageErrorKind::Invalid, format!("a stage's record is no JSON: {error}"))
        })?;
        let sha256 = record.sha256().map_err(|error| refused(&error))?;
        Ok(Self {
            stage: record.meta.stage,
            json,
            sha256,
            finished_at: record.meta.finished_at,
            own_fields: own_fields(record),
            later_fields: later_fields(record),
        })
    }
}

/// Writes a record under the fence, and reads it back. The column must be empty, hold an equal record, or
/// hold the damaged record $8. Also writes the frontend's rows of this step and the next. $1 run, $2 owner,
/// $3 epoch, $4 generation, $5 record, $6 its digest, $7 the next step, $9 when it was finished (ms), $10
/// fields for its row, $11 members for the first row
macro_rules! store_sql {
    ($number:literal, $output:literal, $digest:literal) => {
        concat!(
            r#"WITH stored AS (UPDATE "PipelineRun" SET "#,
            $output,
            " = $5::jsonb, ",
            $digest,
            r#" = $6, "currentStage" = $7, "stageStartedAt" = now(), "attempts" = 0,
  "waitingReason" = NULL, "waitingSince" = NULL, "updatedAt" = now()
            WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4
              AND "status" = 'PROCESSING' AND ("#,
            $output,
            " IS NULL OR ",
            $digest,
            " = $6 OR ",
            $output,
            r#" = $8::jsonb) RETURNING "id", "#,
            $output,
            " AS record, ",
            step_of_row!(),
            r#" AS "step"),
            done AS (
              INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt",
                "createdAt")
              SELECT gen_random_uuid()::text, s."id", "#,
            $number,
            ", ",
            step_names!(),
            "[",
            $number,
            r#"], 'COMPLETED', (s.record - 'meta' || $10::jsonb)::text,
                to_timestamp($9::float8 / 1000) AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
              FROM stored AS s
              ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "status" = EXCLUDED."status",
                "output" = EXCLUDED."output", "completedAt" = EXCLUDED."completedAt"
            ),
            first AS (
              UPDATE "StageOutput" AS o SET "output" = left(o."output", -1) || $11 || '}' FROM stored AS s
              WHERE $11 <> '' AND o."runId" = s."id" AND o."stageNumber" = 1 AND o."output" LIKE '{%}'
                AND strpos(o."output", split_part($11, ':', 1)) = 0
            ), "#,
            begin_step!("stored"),
            " SELECT record::text AS output FROM stored"
        )
    };
}

/// Reads a column if the run is still ours. $1 run, $2 owner, $3 epoch, $4 generation
macro_rules! held_sql {
    ($output:literal, $digest:literal) => {
        concat!(
            "SELECT ",
            $output,
            "::text, ",
            $digest,
            r#" FROM "PipelineRun" WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4
              AND "status" = 'PROCESSING'"#
        )
    };
}

const fn statements(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::InputProcessing => (
            store_sql!("1", r#""stage1Output""#, r#""stage1Digest""#),
            held_sql!(r#""stage1Output""#, r#""stage1Digest""#),
        ),
        Stage::SignalAmplification => (
            store_sql!("2", r#""stage2Output""#, r#""stage2Digest""#),
            held_sql!(r#""stage2Output""#, r#""stage2Digest""#),
        ),
        Stage::GeneralTranslation => (
            store_sql!("3", r#""stage3Output""#, r#""stage3Digest""#),
            held_sql!(r#""stage3Output""#, r#""stage3Digest""#),
        ),
        Stage::BrandContextualization => (
            store_sql!("4", r#""stage4Output""#, r#""stage4Digest""#),
            held_sql!(r#""stage4Output""#, r#""stage4Digest""#),
        ),
    }
}

/// One round trip; three more if the column already holds something else.
pub(in crate::postgres) async fn store(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    new: &Stored,
) -> Result<(), DbError> {
    if write(conn, fence, new, None).await? {
        return Ok(());
    }
    let row = conn
        .query(statements(new.stage).1)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .fetch_optional(conn.connection()?)
        .await?
        .ok_or_else(|| fenced(&fence.run))?;
    let (json, digest): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let json = json.unwrap_or_default();
    match load::verified(new.stage, &json, digest) {
        Ok((_, sha256)) if sha256 == new.sha256 => return Ok(()),
        Ok(_) => {}
        Err(reason) => {
            let stage = new.stage.number();
            tracing::warn!(event = "stage_row_replaced", run_id = %fence.run, stage, reason, "damaged stage in the database replaced");
            if write(conn, fence, new, Some(&json)).await? {
                return Ok(());
            }
        }
    }
    Err(conflict(&fence.run, new.stage, "already holds a different record; both are kept"))
}

/// Writes several stages into their empty columns at once under the fence, and reads them back. Also writes
/// the frontend's rows. $1 run, $2 owner, $3 epoch, $4 generation, $5 to $12 each stage's record and its
/// digest or nothing, $13 the next step, $14 the stages' numbers, $15 when each was finished (ms), $16 fields
/// for the first row
const STORE_ALL: &str = concat!(
    r#"
WITH stored AS (UPDATE "PipelineRun" SET
  "stage1Output" = COALESCE($5::jsonb, "stage1Output"), "stage1Digest" = COALESCE($6, "stage1Digest"),
  "stage2Output" = COALESCE($7::jsonb, "stage2Output"), "stage2Digest" = COALESCE($8, "stage2Digest"),
  "stage3Output" = COALESCE($9::jsonb, "stage3Output"), "stage3Digest" = COALESCE($10, "stage3Digest"),
  "stage4Output" = COALESCE($11::jsonb, "stage4Output"), "stage4Digest" = COALESCE($12, "stage4Digest"),
  "currentStage" = $13, "stageStartedAt" = now(), "attempts" = 0,
  "waitingReason" = NULL, "waitingSince" = NULL, "updatedAt" = now()
WHERE "id" = $1 AND "leaseOwner" = $2 AND "leaseEpoch" = $3 AND "generation" = $4 AND "status" = 'PROCESSING'
  AND ($5 IS NULL OR "stage1Output" IS NULL) AND ($7 IS NULL OR "stage2Output" IS NULL)
  AND ($9 IS NULL OR "stage3Output" IS NULL) AND ($11 IS NULL OR "stage4Output" IS NULL)
RETURNING "id", "stage1Output" AS output1, "stage2Output" AS output2, "stage3Output" AS output3,
  "stage4Output" AS output4, "#,
    step_of_row!(),
    r#" AS "step"),
done AS (
  INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt", "createdAt")
  SELECT gen_random_uuid()::text, s."id", n.number, "#,
    step_names!(),
    r#"[n.number], 'COMPLETED',
    (CASE n.number WHEN 1 THEN s.output1 - 'meta' || $16::jsonb WHEN 2 THEN s.output2 - 'meta'
       WHEN 3 THEN s.output3 - 'meta' ELSE s.output4 - 'meta' END)::text,
    to_timestamp(n.at::float8 / 1000) AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM stored AS s, unnest($14::int4[], $15::int8[]) AS n(number, at)
  ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "status" = EXCLUDED."status", "output" = EXCLUDED."output",
    "completedAt" = EXCLUDED."completedAt"
),
"#,
    begin_step!("stored"),
    " SELECT output1::text, output2::text, output3::text, output4::text FROM stored"
);

/// One round trip for all stages. If one column is not empty, each stage is stored by [`store`].
pub(in crate::postgres) async fn store_all(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    all: &[Stored],
) -> Result<(), DbError> {
    let Some(last) = all.iter().map(|new| new.stage).max() else { return Ok(()) };
    let mut query = conn
        .query(STORE_ALL)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation);
    for stage in Stage::ALL {
        let new = all.iter().find(|new| new.stage == stage);
        query = query.bind(new.map(|new| &new.json)).bind(new.map(|new| &new.sha256));
    }
    let row = query
        .bind(step_after(last))
        .bind(all.iter().map(|new| i32::from(new.stage.number())).collect::<Vec<_>>())
        .bind(all.iter().map(|new| new.finished_at.timestamp_millis()).collect::<Vec<_>>())
        .bind(first_fields(all))
        .fetch_optional(conn.connection()?)
        .await?;
    match row {
        Some(row) => all
            .iter()
            .try_for_each(|new| read_back(fence, new, row.try_get(usize::from(new.stage.number()) - 1)?)),
        None => {
            for new in all {
                store(conn, fence, new).await?;
            }
            Ok(())
        }
    }
}

/// The fields that the first row gets when it is stored together with later stages, as a JSON object.
fn first_fields(all: &[Stored]) -> String {
    let first = all.iter().find(|new| new.stage == Stage::InputProcessing);
    let Some(own) = first.and_then(|new| new.own_fields.strip_suffix('}')) else { return "{}".to_owned() };
    let later: String = all.iter().map(|new| new.later_fields.as_str()).collect();
    // Members can be appended only to a non-empty object.
    if own.len() > 1 { format!("{own}{later}}}") } else { "{}".to_owned() }
}

/// Checks that a column holds the stored record.
fn read_back(fence: &Fence, new: &Stored, json: &str) -> Result<(), DbError> {
    match load::verified(new.stage, json, Some(new.sha256.clone())) {
        Ok(_) => Ok(()),
        // Records are cleaned before they are stored, so this should not happen. If it does, no stage may
        // build on it.
        Err(reason) => {
            Err(conflict(&fence.run, new.stage, &format!("does not hold what was stored: {reason}")))
        }
    }
}

/// Writes the record; returns whether the column accepted it.
async fn write(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    new: &Stored,
    damaged: Option<&str>,
) -> Result<bool, DbError> {
    let row = conn
        .query(statements(new.stage).0)
        .bind(fence.run.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(&new.json)
        .bind(&new.sha256)
        .bind(step_after(new.stage))
        .bind(damaged)
        .bind(new.finished_at.timestamp_millis())
        .bind(&new.own_fields)
        .bind(&new.later_fields)
        .fetch_optional(conn.connection()?)
        .await?;
    let Some(row) = row else { return Ok(false) };
    read_back(fence, new, row.try_get(0)?).map(|()| true)
}

pub(in crate::postgres) fn conflict(run: &RunId, stage: Stage, what: &str) -> DbError {
    let message = format!("stage {} of run {run} in the database {what}", stage.number());
    DbError::Store(StorageError::new(StorageErrorKind::Conflict, message))
}

/// Marks stages that the files lack. It works after the end too, which clears the owner but not the epoch. It
/// also writes the old column, for replicas of the previous release. $1 run, $2 epoch, $3 generation,
/// $4 numbers
const MARK_UNSYNCED: &str = r#"
UPDATE "PipelineRun" SET "updatedAt" = now(),
  "filesMissingStages" = ARRAY(
    SELECT DISTINCT number FROM unnest("unsyncedStages" || $4::int4[]) AS number ORDER BY number),
  "unsyncedStages" = ARRAY(
    SELECT DISTINCT number FROM unnest("unsyncedStages" || $4::int4[]) AS number ORDER BY number)
WHERE "id" = $1 AND "leaseEpoch" = $2 AND "generation" = $3 RETURNING "id""#;

pub(in crate::postgres) async fn mark_unsynced(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    stages: &[Stage],
) -> Result<(), DbError> {
    let mut numbers: Vec<i32> = stages.iter().map(|stage| stage.number().into()).collect();
    if numbers.is_empty() {
        numbers.push(Part::Report.into());
    }
    let marked = conn
        .query(MARK_UNSYNCED)
        .bind(fence.run.as_str())
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(numbers)
        .fetch_optional(conn.connection()?)
        .await?;
    marked.map(drop).ok_or_else(|| fenced(&fence.run))
}
