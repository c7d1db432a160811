//! The counts of the service level.

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use sqlx::Row as _;

use super::json::{row_of, text_of};
use crate::{
    control_plane::{LevelCounts, ServiceLevels},
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

/// $1 the counts of a slot as JSON
const STORE: &str = r#"
WITH old AS (DELETE FROM "innovation"."ServiceLevel" WHERE "slot" < now() - interval '2 days')
INSERT INTO "innovation"."ServiceLevel"
SELECT * FROM jsonb_populate_record(NULL::"innovation"."ServiceLevel", $1::jsonb)
ON CONFLICT ("slot", "process") DO UPDATE SET "counts" = EXCLUDED."counts""#;

/// $1 the process that asks, $2 the time in milliseconds since 1970
const OTHERS: &str = r#"
SELECT to_jsonb(l)::text AS "counts" FROM "innovation"."ServiceLevel" l
WHERE "process" <> $1 AND "slot" > to_timestamp($2::int8 / 1000.0) ORDER BY "slot" DESC LIMIT 10000"#;

#[async_trait]
impl ServiceLevels for PostgresStore {
    async fn store_counts(&self, counts: &LevelCounts) -> Result<(), StorageError> {
        let counts = text_of(counts)?;
        bounded!(self.pool, Access::Write, |conn| store(conn, counts))
    }

    async fn counts_of_others(
        &self,
        process: &str,
        since: Timestamp,
    ) -> Result<Vec<LevelCounts>, StorageError> {
        let texts = bounded!(self.pool, Access::Read, |conn| others(conn, process, since))?;
        texts.iter().map(|text| row_of(text)).collect()
    }
}

async fn store(conn: &mut PooledConn<'_>, counts: String) -> Result<(), DbError> {
    conn.query(STORE).bind(counts).execute(conn.connection()?).await?;
    Ok(())
}

async fn others(conn: &mut PooledConn<'_>, process: &str, since: Timestamp) -> Result<Vec<String>, DbError> {
    let rows = conn
        .query(OTHERS)
        .bind(text(process))
        .bind(since.timestamp_millis())
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("counts")?)).collect()
}
