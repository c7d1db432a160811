//! Loads a run from its row, and checks the digest of every record.

use std::collections::BTreeMap;

use pipeline::{
    brand::BrandId,
    failure::{FailureCode, RunFailure},
    record::{StageRecord, sha256_hex},
    run::{RunId, RunStatus, Stage},
};
use serde::{
    Deserialize as _,
    de::{IntoDeserializer, value::Error as WordError},
};
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    error::{StorageError, StorageErrorKind},
    part::Part,
    ports::{listing::FrontendRun, sync::Row},
    postgres::{
        pool::{connections::PooledConn, db_error::DbError},
        values::{SYSTEM_USER, principal, time},
    },
    run::{RunRecord, RunRequest, StoredIn, StoredStage},
    waiting::{WAITING_OWNER, WaitReason, Waiting},
};

const LOAD: &str = r#"
SELECT "documentName", "documentUrl", "companyName", "brandId", "requestDigest", "principal", "status"::text AS "status", "generation", "leaseEpoch",
  (SELECT "clerkId" FROM "User" WHERE "User"."id" = "userId") AS "clerkId",
  (extract(epoch FROM "acceptedAt") * 1000)::int8 AS "accepted",
  (extract(epoch FROM "completedAt") * 1000)::int8 AS "completed",
  "stage1Output"::text, "stage2Output"::text, "stage3Output"::text, "stage4Output"::text,
  "stage1Digest", "stage2Digest", "stage3Digest", "stage4Digest", "fullReportMarkdown", "reportDigest",
  "errorCode", "errorStage", "errorMessage", "errorCanRetry", "lostUsd", ("leaseUntil" > now() AND "leaseOwner" <> 'waiting') IS TRUE AS "isLeased",
  "waitingReason", (extract(epoch FROM "waitingSince") * 1000)::int8 AS "waitingSince",
  (extract(epoch FROM "leaseUntil") * 1000)::int8 AS "leaseUntil", "leaseOwner", xmin::text AS "version"
FROM "PipelineRun" WHERE "id" = $1 AND NOT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)"#;

pub(in crate::postgres) async fn load(
    conn: &mut PooledConn<'_>,
    run: &RunId,
) -> Result<Option<RunRecord>, DbError> {
    Ok(read_row(conn, run).await?.map(|row| row.snapshot))
}

/// Loads the run with the row's version, owner and damaged parts.
pub(in crate::postgres) async fn read_row(
    conn: &mut PooledConn<'_>,
    run: &RunId,
) -> Result<Option<Row>, DbError> {
    let row = conn.query(LOAD).bind(run.as_str()).fetch_optional(conn.connection()?).await?;
    row.map(|row| {
        let mut damaged = BTreeMap::new();
        Ok(Row {
            snapshot: snapshot(run, &row, &mut damaged)?,
            damaged,
            version: row.try_get("version")?,
            owner: row.try_get("leaseOwner")?,
        })
    })
    .transpose()
}

fn snapshot(run: &RunId, row: &PgRow, damaged: &mut BTreeMap<Part, String>) -> Result<RunRecord, DbError> {
    let mut stages = BTreeMap::new();
    for stage in Stage::ALL {
        let (output, digest) = columns(stage);
        let Some(json) = row.try_get::<Option<String>, _>(output)? else { continue };
        match verified(stage, &json, row.try_get(digest)?) {
            Ok((record, sha256)) => {
                stages.insert(stage, StoredStage { record, sha256, stored_in: StoredIn::DATABASE });
            }
            Err(reason) => {
                tracing::warn!(event = "stage_row_damaged", run_id = %run, stage = stage.number(), reason, "damaged stage in the database");
                damaged.insert(Part::Stage(stage), json);
            }
        }
    }
    let mut report: Option<String> = row.try_get("fullReportMarkdown")?;
    let report_digest: Option<String> = row.try_get("reportDigest")?;
    if report
        .as_ref()
        .zip(report_digest.as_ref())
        .is_some_and(|(report, known)| *known != sha256_hex(report.as_bytes()))
        && let Some(report) = report.take()
    {
        damaged.insert(Part::Report, report);
    }
    let accepted_at = time(row.try_get("accepted")?);
    Ok(RunRecord {
        id: run.clone(),
        request: if accepted_at.is_some() { request(run, row)? } else { None },
        principal: principal(row)?,
        status: status(row.try_get("status")?)?,
        generation: row.try_get("generation")?,
        epoch: row.try_get("leaseEpoch")?,
        accepted_at,
        finished_at: time(row.try_get("completed")?),
        stages,
        report,
        failure: failure(row)?,
        lost_usd: row.try_get("lostUsd")?,
        is_leased: row.try_get("isLeased")?,
        waiting: waiting(row)?,
        stored_in: StoredIn::DATABASE,
    })
}

fn waiting(row: &PgRow) -> Result<Option<Waiting>, DbError> {
    let reason: Option<String> = row.try_get("waitingReason")?;
    let Some((reason, since)) = reason.zip(time(row.try_get("waitingSince")?)) else { return Ok(None) };
    let owner: Option<String> = row.try_get("leaseOwner")?;
    let until = if owner.as_deref() == Some(WAITING_OWNER) { time(row.try_get("leaseUntil")?) } else { None };
    Ok(Some(Waiting { reason: WaitReason::of_word(&reason), since, until }))
}

/// The columns of a stage's record and of its digest.
const fn columns(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::InputProcessing => ("stage1Output", "stage1Digest"),
        Stage::SignalAmplification => ("stage2Output", "stage2Digest"),
        Stage::GeneralTranslation => ("stage3Output", "stage3Digest"),
        Stage::BrandContextualization => ("stage4Output", "stage4Digest"),
    }
}

/// Parses the record of a column if its own payload digest and the stored record digest match.
pub(in crate::postgres) fn verified(
    stage: Stage,
    json: &str,
    known: Option<String>,
) -> Result<(StageRecord, String), String> {
    let record = StageRecord::from_bytes(stage, json.as_bytes()).map_err(|error| error.to_string())?;
    let sha256 = record.sha256().map_err(|error| error.to_string())?;
    match known {
        Some(known) if known != sha256 => Err(format!("has record digest {sha256}, the row says {known}")),
        _ => Ok((record, sha256)),
    }
}

fn request(run: &RunId, row: &PgRow) -> Result<Option<RunRequest>, DbError> {
    let brand: Option<String> = row.try_get("brandId")?;
    let digest: Option<String> = row.try_get("requestDigest")?;
    let (Some(Ok(brand_id)), Some(digest)) = (brand.as_deref().map(BrandId::parse), digest) else {
        tracing::warn!(event = "run_request_missing", run_id = %run, "the row lacks the run's request");
        return Ok(None);
    };
    let user_id: Option<String> = row.try_get("clerkId")?;
    let request = RunRequest {
        source: row.try_get("documentName")?,
        document_url: row.try_get("documentUrl")?,
        brand_id,
        company_name: None,
        user_id: user_id.filter(|id| id != SYSTEM_USER),
        digest,
        principal: principal(row)?,
        cache_off: false,
        trace_parent: None,
    };
    Ok(Some(request.of_company(row.try_get("companyName")?)))
}

pub(in crate::postgres) fn failure(row: &PgRow) -> Result<Option<RunFailure>, DbError> {
    let Some(code) = row.try_get::<Option<String>, _>("errorCode")? else { return Ok(None) };
    // A later version may write codes that this one does not know.
    let code = FailureCode::deserialize(IntoDeserializer::<WordError>::into_deserializer(code.as_str()))
        .unwrap_or(FailureCode::Internal);
    let stage: Option<i32> = row.try_get("errorStage")?;
    let stage = stage.and_then(|number| Stage::try_from(u8::try_from(number).ok()?).ok());
    let message: Option<String> = row.try_get("errorMessage")?;
    let can_retry: Option<bool> = row.try_get("errorCanRetry")?;
    Ok(Some(RunFailure::new(code, stage, message.unwrap_or_default(), can_retry.unwrap_or(false))))
}

/// Parses a status of the database.
pub(in crate::postgres) fn status(word: &str) -> Result<RunStatus, DbError> {
    RunStatus::deserialize(word.into_deserializer()).map_err(|_: WordError| {
        let what = format!("status {word:?} is unknown to this version");
        DbError::Store(StorageError::new(StorageErrorKind::Unreadable, what))
    })
}

/// The database's word for a status.
pub(in crate::postgres) const fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Processing => "PROCESSING",
        RunStatus::Completed => "COMPLETED",
        RunStatus::Failed => "FAILED",
        RunStatus::Cancelled => "CANCELLED",
    }
}

const FRONTEND_RUN: &str = r#"
SELECT "companyName", "documentUrl", "acceptedAt" IS NOT NULL AS "isAccepted" FROM "PipelineRun"
WHERE "id" = $1 AND NOT EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)"#;

pub(in crate::postgres) async fn frontend_run(
    conn: &mut PooledConn<'_>,
    run: &RunId,
) -> Result<Option<FrontendRun>, DbError> {
    let row = conn.query(FRONTEND_RUN).bind(run.as_str()).fetch_optional(conn.connection()?).await?;
    row.map(|row| {
        Ok(FrontendRun {
            company_name: row.try_get("companyName")?,
            document_url: row.try_get("documentUrl")?,
            is_accepted: row.try_get("isAccepted")?,
        })
    })
    .transpose()
}
