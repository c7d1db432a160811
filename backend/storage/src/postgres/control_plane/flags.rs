//! Flags, their history and their acknowledgements.
//!
//! The revisions of all flags are one sequence without gaps. Two changes at the same time want the same next revision: the
//! primary key of `FlagChange` refuses the second as a whole.

use async_trait::async_trait;
use sqlx::Row as _;

use super::json::text_of;
use crate::{
    control_plane::{FlagChange, FlagEdits, FlagStore, ReplicaAck, StoredFlags},
    error::{StorageError, StorageErrorKind},
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
    },
};

/// The channel of changed flags. The payload is the newest revision.
pub(in crate::postgres) const CHANNEL: &str = "innovation_flags";

/// A key of a table is taken: another change came first, or the order was imported.
const UNIQUE_VIOLATION: &str = "23505";

const LOAD: &str = r#"
SELECT jsonb_build_object(
  'revision', (SELECT COALESCE(max("revision"), 0) FROM "innovation"."FlagChange"),
  'flags', COALESCE((
    SELECT jsonb_agg(jsonb_build_object(
      'key', f."key", 'value', f."value", 'revision', f."revision", 'order_id', c."orderId"
    ) ORDER BY f."key")
    FROM "innovation"."Flag" f LEFT JOIN "innovation"."FlagChange" c ON c."revision" = f."revision"
  ), '[]')
)::text AS "content""#;

/// A flag whose value was removed keeps its row with JSON null, so that everybody sees the revision of that change.
/// $1 the edits as a JSON array, $2 the expected revision, $3 the order or NULL, $4 the channel
const CHANGE: &str = r#"
WITH head AS (SELECT COALESCE(max("revision"), 0) AS "revision" FROM "innovation"."FlagChange"),
wanted AS (
  SELECT e."edit"->>'key' AS "key", e."edit"->'new' AS "new", e."edit"->'audit' AS "audit", e."n"
  FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS e("edit", "n")
),
changed AS (
  INSERT INTO "innovation"."FlagChange" ("revision", "key", "old", "new", "actor", "reason", "at", "orderId")
  SELECT head."revision" + w."n", w."key", NULLIF(f."value", 'null'), NULLIF(w."new", 'null'), w."audit"->>'actor',
         w."audit"->>'reason', (w."audit"->>'at')::timestamptz, $3
  FROM wanted w CROSS JOIN head LEFT JOIN "innovation"."Flag" f ON f."key" = w."key"
  WHERE head."revision" = $2
  RETURNING *
),
stored AS (
  INSERT INTO "innovation"."Flag" ("key", "value", "revision")
  SELECT "key", COALESCE("new", 'null'), "revision" FROM changed
  ON CONFLICT ("key") DO UPDATE SET "value" = EXCLUDED."value", "revision" = EXCLUDED."revision", "updatedAt" = now()
),
audited AS (
  INSERT INTO "innovation"."AuditRecord"
  SELECT r.* FROM changed c JOIN wanted w ON w."key" = c."key",
    jsonb_populate_record(
      NULL::"innovation"."AuditRecord",
      w."audit" || jsonb_build_object('old', c."old", 'new', c."new", 'target', c."key")
    ) AS r
),
notified AS (
  SELECT count(pg_notify($4, newest::text)::text) AS "sent" FROM (SELECT max("revision") AS newest FROM changed) AS top
  WHERE newest IS NOT NULL
)
SELECT jsonb_build_object(
  'revision', "revision", 'key', "key", 'old', "old", 'new', "new", 'actor', "actor", 'reason', "reason", 'at', "at",
  'order_id', "orderId"
)::text AS "change"
FROM changed, notified ORDER BY "revision""#;

/// $1 the key or NULL, $2 the revision before which they are listed or NULL, $3 limit
const HISTORY: &str = r#"
SELECT jsonb_build_object(
  'revision', "revision", 'key', "key", 'old', "old", 'new', "new", 'actor', "actor", 'reason', "reason", 'at', "at",
  'order_id', "orderId"
)::text AS "change"
FROM "innovation"."FlagChange"
WHERE ($1::text IS NULL OR "key" = $1) AND ($2::int8 IS NULL OR "revision" < $2)
ORDER BY "revision" DESC LIMIT $3"#;

const HAS_ORDER: &str =
    r#"SELECT EXISTS (SELECT FROM "innovation"."FlagChange" WHERE "orderId" = $1) AS "there""#;

/// The entries of replicas that died go after a day.
/// $1 replica, $2 revision, $3 source
const ACKNOWLEDGE: &str = r#"
WITH mine AS (
  INSERT INTO "innovation"."FlagAck" ("replica", "revision", "source") VALUES ($1, $2, $3)
  ON CONFLICT ("replica") DO UPDATE SET "revision" = $2, "source" = $3, "at" = now()
)
DELETE FROM "innovation"."FlagAck" WHERE "at" < now() - interval '1 day' AND "replica" <> $1"#;

const FORGET: &str = r#"DELETE FROM "innovation"."FlagAck" WHERE "replica" = $1"#;

/// In a mode without database, replicas send no heartbeats, and acknowledge all the same.
const ACKNOWLEDGEMENTS: &str = r#"
SELECT COALESCE(r."id", a."replica") AS "replica", a."revision", a."source",
       GREATEST(extract(epoch FROM now() - GREATEST(r."heartbeatAt", a."at")), 0)::int4 AS "silent"
FROM "Replica" r FULL JOIN "innovation"."FlagAck" a ON a."replica" = r."id"
WHERE GREATEST(r."heartbeatAt", a."at") > now() - interval '1 minute' ORDER BY 1 LIMIT 1000"#;

#[async_trait]
impl FlagStore for PostgresStore {
    async fn load(&self) -> Result<StoredFlags, StorageError> {
        let text = bounded!(self.pool, Access::Read, |conn| load(conn))?;
        serde_json::from_str(&text).map_err(|error| unreadable(&error))
    }

    async fn change(&self, edits: &FlagEdits) -> Result<Vec<FlagChange>, StorageError> {
        let (json, expected) = (json_of(edits)?, number(edits.expected));
        let order_id = edits.order_id.as_deref();
        let texts = bounded!(self.pool, Access::Write, |conn| change(conn, json, expected, order_id));
        let texts =
            texts.map_err(
                |error| {
                    if error.sqlstate() == Some(UNIQUE_VIOLATION) { lost_update() } else { error }
                },
            )?;
        if texts.is_empty() && !edits.edits.is_empty() {
            return Err(lost_update());
        }
        parsed(&texts)
    }

    async fn history(
        &self,
        key: Option<&str>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<FlagChange>, StorageError> {
        let (before, limit) = (before.map(number), i64::try_from(limit).unwrap_or(i64::MAX));
        let texts = bounded!(self.pool, Access::Read, |conn| history(conn, key, before, limit))?;
        parsed(&texts)
    }

    async fn has_order(&self, order_id: &str) -> Result<bool, StorageError> {
        bounded!(self.pool, Access::Read, |conn| has_order(conn, order_id))
    }

    async fn acknowledge(&self, replica: &str, revision: u64, source: &str) -> Result<(), StorageError> {
        let revision = number(revision);
        bounded!(self.pool, Access::Write, |conn| acknowledge(conn, replica, revision, source))
    }

    async fn forget(&self, replica: &str) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| forget(conn, replica))
    }

    async fn acknowledgements(&self) -> Result<Vec<ReplicaAck>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| acknowledgements(conn))
    }
}

fn json_of(edits: &FlagEdits) -> Result<String, StorageError> {
    let edits: Vec<_> = edits
        .edits
        .iter()
        .map(|edit| serde_json::json!({ "key": edit.key, "new": edit.new, "audit": edit.audit }))
        .collect();
    text_of(&edits)
}

fn number(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

fn lost_update() -> StorageError {
    StorageError::new(StorageErrorKind::CasConflict, "the flags were changed by somebody else meanwhile")
}

fn unreadable(error: &serde_json::Error) -> StorageError {
    StorageError::new(StorageErrorKind::Unreadable, format!("the flags of the database: {error}"))
}

fn parsed(texts: &[String]) -> Result<Vec<FlagChange>, StorageError> {
    texts.iter().map(|text| serde_json::from_str(text).map_err(|error| unreadable(&error))).collect()
}

async fn load(conn: &mut PooledConn<'_>) -> Result<String, DbError> {
    let row = conn.query(LOAD).fetch_one(conn.connection()?).await?;
    Ok(row.try_get("content")?)
}

async fn change(
    conn: &mut PooledConn<'_>,
    json: String,
    expected: i64,
    order_id: Option<&str>,
) -> Result<Vec<String>, DbError> {
    let query = conn.query(CHANGE).bind(json).bind(expected).bind(order_id).bind(CHANNEL);
    let rows = query.fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("change")?)).collect()
}

async fn history(
    conn: &mut PooledConn<'_>,
    key: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    let query = conn.query(HISTORY).bind(key).bind(before).bind(limit);
    let rows = query.fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("change")?)).collect()
}

async fn has_order(conn: &mut PooledConn<'_>, order_id: &str) -> Result<bool, DbError> {
    let row = conn.query(HAS_ORDER).bind(order_id).fetch_one(conn.connection()?).await?;
    Ok(row.try_get("there")?)
}

async fn acknowledge(
    conn: &mut PooledConn<'_>,
    replica: &str,
    revision: i64,
    source: &str,
) -> Result<(), DbError> {
    let query = conn.query(ACKNOWLEDGE).bind(replica).bind(revision).bind(source);
    query.execute(conn.connection()?).await?;
    Ok(())
}

async fn forget(conn: &mut PooledConn<'_>, replica: &str) -> Result<(), DbError> {
    conn.query(FORGET).bind(replica).execute(conn.connection()?).await?;
    Ok(())
}

async fn acknowledgements(conn: &mut PooledConn<'_>) -> Result<Vec<ReplicaAck>, DbError> {
    let rows = conn.query(ACKNOWLEDGEMENTS).fetch_all(conn.connection()?).await?;
    rows.iter()
        .map(|row| {
            let (revision, silent): (Option<i64>, i32) = (row.try_get("revision")?, row.try_get("silent")?);
            Ok(ReplicaAck {
                replica: row.try_get("replica")?,
                revision: revision.and_then(|revision| u64::try_from(revision).ok()),
                source: row.try_get("source")?,
                silent_seconds: u32::try_from(silent).unwrap_or(0),
            })
        })
        .collect()
}
