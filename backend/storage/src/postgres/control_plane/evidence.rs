//! The evidence of checks, each with the audit record of its arrival.

use async_trait::async_trait;
use sqlx::Row as _;

use super::json::{row_of, text_of};
use crate::{
    control_plane::{AuditRecord, Evidence, EvidenceLog},
    error::StorageError,
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
        let (evidence, audit) = (text_of(evidence)?, text_of(audit)?);
        bounded!(self.pool, Access::Write, |conn| add(conn, evidence, audit))
    }

    async fn newest(&self, kind: &str) -> Result<Option<Evidence>, StorageError> {
        let text = bounded!(self.pool, Access::Read, |conn| newest(conn, kind))?;
        text.map(|text| row_of(&text)).transpose()
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
