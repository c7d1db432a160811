//! The evidence of checks, each with the audit record of its arrival.

use async_trait::async_trait;
use sqlx::Row as _;

use crate::{
    control_plane::{AuditRecord, Evidence, EvidenceLog},
    error::{StorageError, StorageErrorKind},
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
    },
};

/// $1 the evidence and $2 its audit record, as JSON
const ADD: &str = r#"
WITH added AS (
  INSERT INTO "innovation"."Evidence"
  SELECT * FROM jsonb_populate_record(NULL::"innovation"."Evidence", $1::jsonb)
  ON CONFLICT ("id") DO NOTHING RETURNING "id"
)
INSERT INTO "innovation"."AuditRecord"
SELECT * FROM jsonb_populate_record(NULL::"innovation"."AuditRecord", $2::jsonb) WHERE EXISTS (SELECT FROM added)
ON CONFLICT ("id") DO NOTHING"#;

/// $1 kind
const NEWEST: &str = r#"
SELECT to_jsonb(e)::text AS "evidence" FROM "innovation"."Evidence" e
WHERE "kind" = $1 ORDER BY "at" DESC, "id" DESC LIMIT 1"#;

#[async_trait]
impl EvidenceLog for PostgresStore {
    async fn add(&self, evidence: &Evidence, audit: &AuditRecord) -> Result<(), StorageError> {
        let invalid =
            |error: serde_json::Error| StorageError::new(StorageErrorKind::Invalid, error.to_string());
        let evidence = serde_json::to_string(evidence).map_err(invalid)?;
        let audit = serde_json::to_string(audit).map_err(invalid)?;
        bounded!(self.pool, Access::Write, |conn| add(conn, evidence, audit))
    }

    async fn newest(&self, kind: &str) -> Result<Option<Evidence>, StorageError> {
        let text = bounded!(self.pool, Access::Read, |conn| newest(conn, kind))?;
        let parsed = text.map(|text| serde_json::from_str(&text)).transpose();
        parsed.map_err(|error| StorageError::new(StorageErrorKind::Schema, error.to_string()))
    }
}

async fn add(conn: &mut PooledConn<'_>, evidence: String, audit: String) -> Result<(), DbError> {
    conn.query(ADD).bind(evidence).bind(audit).execute(conn.connection()?).await?;
    Ok(())
}

async fn newest(conn: &mut PooledConn<'_>, kind: &str) -> Result<Option<String>, DbError> {
    let row = conn.query(NEWEST).bind(kind).fetch_optional(conn.connection()?).await?;
    Ok(row.map(|row| row.try_get("evidence")).transpose()?)
}
