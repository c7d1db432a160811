//! Tombstones, and what is removed once one stands.

use pipeline::run::RunId;
use sqlx::Row as _;

use crate::{
    control_plane::Principal,
    error::{StorageError, StorageErrorKind},
    ports::tombstones::TombstoneOutcome,
    postgres::{
        control_plane::audit::audited,
        pool::{connections::PooledConn, db_error::DbError},
        values::{principal, run_id},
    },
};

/// Creates a tombstone and raises the epoch, so that a concurrent retry fails. A run without a row gets a
/// tombstone too, because the files may hold it. $1 run, $2 its principal, if there is no row
macro_rules! create_tombstone {
    ($audited:expr) => {
        concat!(
            r#"
WITH found AS (SELECT "status"::text, "principal" FROM "PipelineRun" WHERE "id" = $1),
ended AS (
  UPDATE "PipelineRun" SET "leaseEpoch" = "leaseEpoch" + 1, "updatedAt" = now()
  WHERE "id" = $1 AND "status" <> 'PROCESSING' RETURNING "generation", "status"::text
),
buried AS (
  INSERT INTO "RunTombstone" AS t ("runId", "generation", "principal")
  SELECT $1, known."generation", CASE WHEN EXISTS (SELECT FROM found) THEN (SELECT "principal" FROM found) ELSE $2 END
  FROM (SELECT "generation" FROM ended UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT FROM found)) AS known
  ON CONFLICT ("runId") DO UPDATE SET "generation" = GREATEST(t."generation", EXCLUDED."generation")
  RETURNING "runId", t.xmax = 0 AS "isNew"
)"#,
            $audited,
            r#"
SELECT EXISTS (SELECT FROM buried) AS "isDeleted", EXISTS (SELECT FROM found) AS "hadRun""#
        )
    };
}

const CREATE_TOMBSTONE: &str = create_tombstone!("");

/// $3 the audit record as JSON
const CREATE_TOMBSTONE_AUDITED: &str = create_tombstone!(audited!(
    "$3",
    r#"(SELECT FROM buried WHERE "isNew")"#,
    r#"(SELECT jsonb_build_object('status', "status") FROM ended)"#,
    "jsonb_build_object('deleted', true)"
));

pub(in crate::postgres) async fn create_tombstone(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    owner: &Principal,
    audit: Option<&str>,
) -> Result<TombstoneOutcome, DbError> {
    let sql = if audit.is_some() { CREATE_TOMBSTONE_AUDITED } else { CREATE_TOMBSTONE };
    let query = conn.query(sql).bind(run.as_str()).bind(owner.stored());
    let query = if audit.is_some() { query.bind(audit) } else { query };
    let row = query.fetch_one(conn.connection()?).await?;
    let (is_deleted, had_run) = (row.try_get("isDeleted")?, row.try_get("hadRun")?);
    Ok(if is_deleted { TombstoneOutcome::Done { had_run } } else { TombstoneOutcome::Running })
}

const DELETED_OWNER: &str = r#"SELECT "principal" FROM "RunTombstone" WHERE "runId" = $1"#;

pub(in crate::postgres) async fn deleted_owner(
    conn: &mut PooledConn<'_>,
    run: &RunId,
) -> Result<Option<Principal>, DbError> {
    let row = conn.query(DELETED_OWNER).bind(run.as_str()).fetch_optional(conn.connection()?).await?;
    row.as_ref().map(principal).transpose()
}

/// Deletes the row and its dependent rows. $1 run
const REMOVE: &str = r#"
WITH untold AS (
  DELETE FROM "WebhookDelivery"
  WHERE "runId" = $1 AND EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)
)
DELETE FROM "PipelineRun" WHERE "id" = $1 AND EXISTS (SELECT FROM "RunTombstone" WHERE "runId" = $1)"#;

pub(in crate::postgres) async fn remove(conn: &mut PooledConn<'_>, run: &RunId) -> Result<(), DbError> {
    conn.query(REMOVE).bind(run.as_str()).execute(conn.connection()?).await?;
    if deleted_owner(conn, run).await?.is_some() {
        return Ok(());
    }
    let what = format!("run {run} has no tombstone in the database");
    Err(DbError::Store(StorageError::new(StorageErrorKind::Invalid, what)))
}

/// Lists a limited number. The caller removes them and asks again.
const PENDING_PURGES: &str = r#"
SELECT r."id" FROM "RunTombstone" t JOIN "PipelineRun" r ON r."id" = t."runId" ORDER BY t."deletedAt" LIMIT 500"#;

pub(in crate::postgres) async fn pending_purges(conn: &mut PooledConn<'_>) -> Result<Vec<RunId>, DbError> {
    let rows = conn.query(PENDING_PURGES).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| run_id(row.try_get("id")?)).collect()
}
