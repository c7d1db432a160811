//! Stores stages once, and never replaces them.
//!
//! No statement reads back what it has stored: records are cleaned before they are sealed, and the proof at the end of a run
//! reads each once.

use std::{collections::HashSet, sync::Arc};

use pipeline::{
    clock::Timestamp,
    record::{Sealed, StageRecord},
    run::{RunId, Stage},
};
use sqlx::Row as _;

use crate::{
    error::{StorageError, StorageErrorKind},
    frontend_rows::{later_fields, own_fields, step_after},
    part::Part,
    ports::lifecycle::Fence,
    postgres::{
        combiner::Row,
        pool::{
            connections::PooledConn,
            db_error::{DbError, fenced},
        },
        runs::load,
        shared::{fenced_row, free_runs, lock_limit},
        stages::frontend_steps::{begin_step, step_names, step_of_row},
        values::{column, refused},
    },
};

/// A record in the form of its column.
#[derive(Debug)]
pub(in crate::postgres) struct Stored {
    pub(in crate::postgres) stage: Stage,
    pub(in crate::postgres) sealed: Arc<Sealed>,
    finished_at: Timestamp,
    /// The fields of its `StageOutput` row besides the record's, as a JSON object.
    own_fields: String,
    /// The members that it adds to the JSON object of the first `StageOutput` row.
    later_fields: String,
}

impl Stored {
    pub(in crate::postgres) fn new(record: &StageRecord) -> Result<Self, StorageError> {
        Ok(Self {
            stage: record.meta.stage,
            sealed: record.sealed().map_err(|error| refused(&error))?,
            finished_at: record.meta.finished_at,
            own_fields: own_fields(record),
            later_fields: later_fields(record),
        })
    }
}

/// A stage that shares its statement with those of other runs.
#[derive(Debug)]
pub(in crate::postgres) struct StageRow {
    pub(in crate::postgres) fence: Fence,
    pub(in crate::postgres) new: Stored,
}

impl Row for StageRow {
    fn run(&self) -> &RunId {
        &self.fence.run
    }

    fn bytes(&self) -> usize {
        self.new.sealed.json.len()
    }
}

/// One stage of a statement.
#[derive(Debug, Clone, Copy)]
struct Item<'a> {
    fence: &'a Fence,
    new: &'a Stored,
    /// The damaged record that it replaces.
    damaged: Option<&'a str>,
}

/// Whether a stage's column may take the record: it is empty, or holds an equal record or the damaged one.
macro_rules! takes {
    ($output:literal, $digest:literal) => {
        concat!(
            "(r.",
            $output,
            " IS NULL OR r.",
            $digest,
            r#" = m."digest" OR r."#,
            $output,
            r#" = m."damaged")"#
        )
    };
}

/// Writes one record each of several runs under their fences, together with the frontend's rows of these steps and the next
/// ones. Returns the runs whose columns took their record.
///
/// $1 runs, $2 owners, $3 epochs, $4 generations, $5 stages, $6 records, $7 their digests, $8 damaged records to replace,
/// $9 when they were finished (ms), $10 fields for their rows, $11 members for the first rows
macro_rules! store_sql {
    ($how:ident) => {
        concat!(
            "WITH ",
            lock_limit!($how),
            r#",
mine AS MATERIALIZED (
  SELECT m."run", m."owner", m."epoch", m."generation", m."stage", m."record"::jsonb AS "record", m."digest",
    m."damaged"::jsonb AS "damaged", m."at", m."own"::jsonb AS "own", m."later"
  FROM unnest($1::text[], $2::text[], $3::int4[], $4::int4[], $5::int4[], $6::text[], $7::text[], $8::text[], $9::int8[],
    $10::text[], $11::text[]) AS m("run", "owner", "epoch", "generation", "stage", "record", "digest", "damaged", "at",
    "own", "later") CROSS JOIN limited
),
"#,
            free_runs!($how),
            r#",
stored AS (
  UPDATE "PipelineRun" r SET
    "stage1Output" = CASE m."stage" WHEN 1 THEN m."record" ELSE r."stage1Output" END,
    "stage1Digest" = CASE m."stage" WHEN 1 THEN m."digest" ELSE r."stage1Digest" END,
    "stage2Output" = CASE m."stage" WHEN 2 THEN m."record" ELSE r."stage2Output" END,
    "stage2Digest" = CASE m."stage" WHEN 2 THEN m."digest" ELSE r."stage2Digest" END,
    "stage3Output" = CASE m."stage" WHEN 3 THEN m."record" ELSE r."stage3Output" END,
    "stage3Digest" = CASE m."stage" WHEN 3 THEN m."digest" ELSE r."stage3Digest" END,
    "stage4Output" = CASE m."stage" WHEN 4 THEN m."record" ELSE r."stage4Output" END,
    "stage4Digest" = CASE m."stage" WHEN 4 THEN m."digest" ELSE r."stage4Digest" END,
    "currentStage" = m."stage" + 1, "stageStartedAt" = now(), "attempts" = 0,
    "waitingReason" = NULL, "waitingSince" = NULL, "updatedAt" = now()
  FROM mine m, free f
  WHERE "#,
            fenced_row!(),
            r#"
    AND CASE m."stage" WHEN 1 THEN "#,
            takes!(r#""stage1Output""#, r#""stage1Digest""#),
            " WHEN 2 THEN ",
            takes!(r#""stage2Output""#, r#""stage2Digest""#),
            " WHEN 3 THEN ",
            takes!(r#""stage3Output""#, r#""stage3Digest""#),
            " ELSE ",
            takes!(r#""stage4Output""#, r#""stage4Digest""#),
            r#" END
  RETURNING r."id", m."stage", m."record", m."at", m."own", m."later", "#,
            step_of_row!(),
            r#" AS "step"
),
done AS (
  INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt", "createdAt")
  SELECT gen_random_uuid()::text, s."id", s."stage", "#,
            step_names!(),
            r#"[s."stage"], 'COMPLETED', (s."record" - 'meta' || s."own")::text,
    to_timestamp(s."at"::float8 / 1000) AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
  FROM stored AS s
  ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "status" = EXCLUDED."status", "output" = EXCLUDED."output",
    "completedAt" = EXCLUDED."completedAt"
),
first AS (
  UPDATE "StageOutput" AS o SET "output" = left(o."output", -1) || s."later" || '}' FROM stored AS s
  WHERE s."later" <> '' AND o."runId" = s."id" AND o."stageNumber" = 1 AND o."output" LIKE '{%}'
    AND strpos(o."output", split_part(s."later", ':', 1)) = 0
),
"#,
            begin_step!("stored"),
            r#" SELECT "id" FROM stored"#
        )
    };
}

const STORE_SHARED: &str = store_sql!(shared);
/// A group of one locks its row by the update itself, which is a fifth cheaper. A lock of somebody else ends it soon, and the row
/// is sent alone.
const STORE_SINGLE: &str = store_sql!(single);
const STORE_ALONE: &str = store_sql!(alone);

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

const fn held(stage: Stage) -> &'static str {
    match stage {
        Stage::InputProcessing => held_sql!(r#""stage1Output""#, r#""stage1Digest""#),
        Stage::SignalAmplification => held_sql!(r#""stage2Output""#, r#""stage2Digest""#),
        Stage::GeneralTranslation => held_sql!(r#""stage3Output""#, r#""stage3Digest""#),
        Stage::BrandContextualization => held_sql!(r#""stage4Output""#, r#""stage4Digest""#),
    }
}

/// Stores the stages of several runs in one round trip. Returns the runs whose stage is stored now. The others are to be
/// stored one by one, which says why they were left out.
pub(in crate::postgres) async fn store_shared(
    conn: &mut PooledConn<'_>,
    rows: &[StageRow],
) -> Result<HashSet<String>, DbError> {
    let items: Vec<_> =
        rows.iter().map(|row| Item { fence: &row.fence, new: &row.new, damaged: None }).collect();
    write(conn, if items.len() > 1 { STORE_SHARED } else { STORE_SINGLE }, &items).await
}

/// One round trip; three more if the column already holds something else.
pub(in crate::postgres) async fn store(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    new: &Stored,
) -> Result<(), DbError> {
    if write_alone(conn, fence, new, None).await? {
        return Ok(());
    }
    let row = conn
        .query(held(new.stage))
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
        Ok((_, sha256)) if sha256 == new.sealed.sha256 => return Ok(()),
        Ok(_) => {}
        Err(reason) => {
            let stage = new.stage.number();
            tracing::warn!(event = "stage_row_replaced", run_id = %fence.run, stage, reason, "damaged stage in the database replaced");
            if write_alone(conn, fence, new, Some(&json)).await? {
                return Ok(());
            }
        }
    }
    Err(conflict(&fence.run, new.stage, "already holds a different record; both are kept"))
}

/// Writes several stages into their empty columns at once under the fence. Also writes
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
    r#" SELECT "id" FROM stored"#
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
        query = query.bind(new.map(|new| &new.sealed.json)).bind(new.map(|new| &new.sealed.sha256));
    }
    let row = query
        .bind(step_after(last))
        .bind(all.iter().map(|new| i32::from(new.stage.number())).collect::<Vec<_>>())
        .bind(all.iter().map(|new| new.finished_at.timestamp_millis()).collect::<Vec<_>>())
        .bind(first_fields(all))
        .fetch_optional(conn.connection()?)
        .await?;
    if row.is_none() {
        for new in all {
            store(conn, fence, new).await?;
        }
    }
    Ok(())
}

/// The fields that the first row gets when it is stored together with later stages, as a JSON object.
fn first_fields(all: &[Stored]) -> String {
    let first = all.iter().find(|new| new.stage == Stage::InputProcessing);
    let Some(own) = first.and_then(|new| new.own_fields.strip_suffix('}')) else { return "{}".to_owned() };
    let later: String = all.iter().map(|new| new.later_fields.as_str()).collect();
    // Members can be appended only to a non-empty object.
    if own.len() > 1 { format!("{own}{later}}}") } else { "{}".to_owned() }
}

/// Writes the record of one run; returns whether the column accepted it.
async fn write_alone(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    new: &Stored,
    damaged: Option<&str>,
) -> Result<bool, DbError> {
    let stored = write(conn, STORE_ALONE, &[Item { fence, new, damaged }]).await?;
    Ok(!stored.is_empty())
}

/// Writes records; returns the runs whose columns accepted theirs.
async fn write(
    conn: &mut PooledConn<'_>,
    sql: &'static str,
    items: &[Item<'_>],
) -> Result<HashSet<String>, DbError> {
    let rows = conn
        .query(sql)
        .bind(column(items, |item| item.fence.run.as_str()))
        .bind(column(items, |item| item.fence.owner.as_str()))
        .bind(column(items, |item| item.fence.epoch))
        .bind(column(items, |item| item.fence.generation))
        .bind(column(items, |item| i32::from(item.new.stage.number())))
        .bind(column(items, |item| item.new.sealed.json.as_str()))
        .bind(column(items, |item| item.new.sealed.sha256.as_str()))
        .bind(column(items, |item| item.damaged))
        .bind(column(items, |item| item.new.finished_at.timestamp_millis()))
        .bind(column(items, |item| item.new.own_fields.as_str()))
        .bind(column(items, |item| item.new.later_fields.as_str()))
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
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
