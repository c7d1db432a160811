//! Waivers of checks.

use async_trait::async_trait;
use sqlx::Row as _;

use super::json::{row_of, text_of};
use crate::{
    control_plane::{AuditRecord, Waiver, Waivers},
    error::StorageError,
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
    },
};

/// $1 the waiver as JSON, $2 the audit record as JSON
const ACCEPT: &str = r#"
WITH old AS (SELECT to_jsonb(w) AS "waiver" FROM "innovation"."Waiver" w WHERE "checkId" = $1::jsonb->>'checkId'),
accepted AS (
  INSERT INTO "innovation"."Waiver"
  SELECT * FROM jsonb_populate_record(NULL::"innovation"."Waiver", $1::jsonb)
  ON CONFLICT ("checkId") DO UPDATE SET "reason" = EXCLUDED."reason", "actor" = EXCLUDED."actor",
    "createdAt" = EXCLUDED."createdAt", "expiresAt" = EXCLUDED."expiresAt"
  RETURNING 1
)
INSERT INTO "innovation"."AuditRecord"
SELECT a.* FROM accepted, jsonb_populate_record(NULL::"innovation"."AuditRecord",
  $2::jsonb || jsonb_build_object('old', (SELECT "waiver" FROM old))) a"#;

const CURRENT: &str = r#"
SELECT to_jsonb(w)::text AS "waiver" FROM "innovation"."Waiver" w WHERE "expiresAt" > now() ORDER BY "checkId" LIMIT 1000"#;

#[async_trait]
impl Waivers for PostgresStore {
    async fn accept(&self, waiver: &Waiver, record: &AuditRecord) -> Result<(), StorageError> {
        let (waiver, record) = (text_of(waiver)?, text_of(record)?);
        bounded!(self.pool, Access::Write, |conn| accept(conn, waiver, record))
    }

    async fn current(&self) -> Result<Vec<Waiver>, StorageError> {
        let texts = bounded!(self.pool, Access::Read, |conn| current(conn))?;
        texts.iter().map(|text| row_of(text)).collect()
    }
}

async fn accept(conn: &mut PooledConn<'_>, waiver: String, record: String) -> Result<(), DbError> {
    conn.query(ACCEPT).bind(waiver).bind(record).execute(conn.connection()?).await?;
    Ok(())
}

async fn current(conn: &mut PooledConn<'_>) -> Result<Vec<String>, DbError> {
    let rows = conn.query(CURRENT).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("waiver")?)).collect()
}
