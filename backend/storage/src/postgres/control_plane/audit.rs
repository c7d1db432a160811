//! The audit. A statement that changes something takes the record as one JSON text, and adds it in the same statement:
//!
//! ```sql
//! WITH changed AS (UPDATE … RETURNING …),
//! audited AS (
//!   INSERT INTO "innovation"."AuditRecord"
//!   SELECT * FROM jsonb_populate_record(NULL::"innovation"."AuditRecord", $1::jsonb) WHERE EXISTS (SELECT FROM changed)
//! )
//! SELECT … FROM changed
//! ```
//!
//! If the record cannot be stored, the change is not made.

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use sqlx::Row as _;

use super::json::{row_of, text_of};
use crate::{
    control_plane::{AuditFilter, AuditLog, AuditRecord},
    error::StorageError,
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
        values::text,
    },
};

/// The part `audited` of a statement that changes a run. It takes the parameter with the record, a source `f` with one row for
/// each change, and the values `old` and `new` of that row.
macro_rules! audited {
    ($record:literal, $from:literal, $old:literal, $new:literal) => {
        concat!(
            r#",
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT a.* FROM "#,
            $from,
            r#" AS f, jsonb_populate_record(NULL::"innovation"."AuditRecord", "#,
            $record,
            r#"::jsonb || jsonb_build_object('old', "#,
            $old,
            r#", 'new', "#,
            $new,
            r#")) a
)"#
        )
    };
}
pub(in crate::postgres) use audited;

/// $1 the records as a JSON array
const ADD: &str = r#"
INSERT INTO "innovation"."AuditRecord"
SELECT * FROM jsonb_populate_recordset(NULL::"innovation"."AuditRecord", $1::jsonb)
ON CONFLICT ("id") DO NOTHING"#;

/// $1 the time in milliseconds since 1970, or NULL for the end, $2 the id, $3 limit, $4 actor, $5 action, $6 target, $7 since
const NEWEST: &str = r#"
SELECT to_jsonb(a)::text AS "record" FROM "innovation"."AuditRecord" a
WHERE ($1::int8 IS NULL OR ("at", "id") < (to_timestamp($1::int8 / 1000.0), $2))
  AND ($4::text IS NULL OR "actor" = $4)
  AND ($5::text IS NULL OR "action" = $5 OR starts_with("action", $5 || '.'))
  AND ($6::text IS NULL OR "target" = $6)
  AND ($7::int8 IS NULL OR "at" >= to_timestamp($7::int8 / 1000.0))
ORDER BY "at" DESC, "id" DESC LIMIT $3"#;

/// $1 the time in milliseconds since 1970, $2 limit
const EXPIRE: &str = r#"
DELETE FROM "innovation"."AuditRecord" WHERE "id" IN (
  SELECT "id" FROM "innovation"."AuditRecord" WHERE "at" < to_timestamp($1::int8 / 1000.0) ORDER BY "at" LIMIT $2
)"#;

#[async_trait]
impl AuditLog for PostgresStore {
    async fn add(&self, records: &[AuditRecord]) -> Result<(), StorageError> {
        let records = text_of(&records)?;
        bounded!(self.pool, Access::Write, |conn| add(conn, records))
    }

    async fn newest(
        &self,
        filter: &AuditFilter,
        before: Option<(Timestamp, String)>,
        limit: usize,
    ) -> Result<Vec<AuditRecord>, StorageError> {
        let texts = bounded!(self.pool, Access::Read, |conn| newest(conn, filter, before, limit))?;
        texts.iter().map(|text| row_of(text)).collect()
    }

    async fn expire(&self, before: Timestamp, limit: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Write, |conn| expire(conn, before, limit))
    }
}

async fn expire(conn: &mut PooledConn<'_>, before: Timestamp, limit: usize) -> Result<usize, DbError> {
    let done = conn
        .query(EXPIRE)
        .bind(before.timestamp_millis())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .execute(conn.connection()?)
        .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

async fn add(conn: &mut PooledConn<'_>, records: String) -> Result<(), DbError> {
    conn.query(ADD).bind(records).execute(conn.connection()?).await?;
    Ok(())
}

async fn newest(
    conn: &mut PooledConn<'_>,
    filter: &AuditFilter,
    before: Option<(Timestamp, String)>,
    limit: usize,
) -> Result<Vec<String>, DbError> {
    let (at, id) = before.map_or((None, String::new()), |(at, id)| (Some(at.timestamp_millis()), id));
    let rows = conn
        .query(NEWEST)
        .bind(at)
        .bind(text(&id))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(filter.actor.as_deref().map(text))
        .bind(filter.action.as_deref().map(text))
        .bind(filter.target.as_deref().map(text))
        .bind(filter.since.map(|since| since.timestamp_millis()))
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("record")?)).collect()
}
