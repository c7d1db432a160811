//! The keys. All changes wait for one lock, so that each sees what the one before has left: of two people who revoke the last
//! two admin keys, one is refused.

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::json;
use sqlx::Row as _;

use super::{
    json::text_of,
    key_statements::{self, CREATE, LIST, LOCK, REVOKE, RING, ROTATE, TOUCH},
};
use crate::{
    control_plane::{
        ADMIN_LASTS_MIN, ApiKey, ApiKeys, AuditRecord, KEYS_MAX, KeyChange, StoredKey, Successor,
    },
    error::{StorageError, StorageErrorKind},
    postgres::{
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
        values::text,
    },
};

#[async_trait]
impl ApiKeys for PostgresStore {
    async fn list(&self, limit: usize) -> Result<Vec<ApiKey>, StorageError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        parsed(&bounded!(self.pool, Access::Read, |conn| texts(conn, LIST, limit))?)
    }

    async fn ring(&self) -> Result<Vec<StoredKey>, StorageError> {
        let limit = i64::try_from(KEYS_MAX).unwrap_or(i64::MAX);
        parsed(&bounded!(self.pool, Access::Read, |conn| texts(conn, RING, limit))?)
    }

    async fn create(&self, key: &StoredKey, audit: &AuditRecord) -> Result<bool, StorageError> {
        let (key, audit) = (text_of(key)?, text_of(audit)?);
        bounded!(self.pool, Access::Write, |conn| create(conn, key, audit))
    }

    async fn revoke(
        &self,
        id: &str,
        acting: Option<&str>,
        audit: &AuditRecord,
    ) -> Result<KeyChange, StorageError> {
        let audit = text_of(audit)?;
        bounded!(self.pool, Access::Write, |conn| revoke(conn, id, acting, audit))
    }

    async fn rotate(
        &self,
        id: &str,
        acting: Option<&str>,
        successor: &Successor,
        audit: &AuditRecord,
    ) -> Result<(KeyChange, Option<ApiKey>), StorageError> {
        let audit = text_of(audit)?;
        let (change, text) =
            bounded!(self.pool, Access::Write, |conn| rotate(conn, id, acting, successor, audit))?;
        let made = text.as_deref().map(parse).transpose()?;
        Ok((change, made))
    }

    async fn touch(&self, used: &[(String, Timestamp)]) -> Result<(), StorageError> {
        let used: Vec<_> = used.iter().map(|(id, at)| json!({"id": id, "at": at})).collect();
        let used = text_of(&used)?;
        bounded!(self.pool, Access::Write, |conn| touch(conn, used))
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, StorageError> {
    serde_json::from_str(text).map_err(|_| {
        // The parser's words could repeat a part of the row.
        StorageError::new(
            StorageErrorKind::Unreadable,
            "a key in the database has a form that this version does not know",
        )
    })
}

/// One key that this version cannot read must not close the service to all others.
fn parsed<T: DeserializeOwned>(texts: &[String]) -> Result<Vec<T>, StorageError> {
    let read: Vec<Result<T, StorageError>> = texts.iter().map(|text| parse(text)).collect();
    let unread = read.iter().filter(|key| key.is_err()).count();
    if unread > 0 {
        tracing::debug!(event = "keys_not_understood", keys = unread, "keys of a newer version are ignored");
    }
    Ok(read.into_iter().flatten().collect())
}

async fn texts(conn: &mut PooledConn<'_>, sql: &'static str, limit: i64) -> Result<Vec<String>, DbError> {
    let rows = conn.query(sql).bind(limit).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("key")?)).collect()
}

async fn create(conn: &mut PooledConn<'_>, key: String, audit: String) -> Result<bool, DbError> {
    conn.begin_locked(LOCK).await?;
    let max = i64::try_from(KEYS_MAX).unwrap_or(i64::MAX);
    let row = conn.query(CREATE).bind(key).bind(audit).bind(max).fetch_one(conn.connection()?).await?;
    conn.end_locked().await?;
    Ok(row.try_get::<i64, _>("created")? > 0)
}

async fn revoke(
    conn: &mut PooledConn<'_>,
    id: &str,
    acting: Option<&str>,
    audit: String,
) -> Result<KeyChange, DbError> {
    conn.begin_locked(LOCK).await?;
    let query = conn.query(REVOKE).bind(text(id)).bind(acting).bind(audit).bind(seconds(ADMIN_LASTS_MIN));
    let row = query.fetch_one(conn.connection()?).await?;
    conn.end_locked().await?;
    key_statements::change(row.try_get("verdict")?)
}

async fn rotate(
    conn: &mut PooledConn<'_>,
    id: &str,
    acting: Option<&str>,
    successor: &Successor,
    audit: String,
) -> Result<(KeyChange, Option<String>), DbError> {
    conn.begin_locked(LOCK).await?;
    let expires_at = successor.expires_at.map(|at| at.timestamp_millis());
    let query = conn
        .query(ROTATE)
        .bind(text(id))
        .bind(acting)
        .bind(audit)
        .bind(&successor.id)
        .bind(successor.sha256.as_slice())
        .bind(seconds(successor.grace))
        .bind(expires_at)
        .bind(seconds(ADMIN_LASTS_MIN));
    let row = query.fetch_one(conn.connection()?).await?;
    conn.end_locked().await?;
    Ok((key_statements::change(row.try_get("verdict")?)?, row.try_get("key")?))
}

async fn touch(conn: &mut PooledConn<'_>, used: String) -> Result<(), DbError> {
    conn.query(TOUCH).bind(used).execute(conn.connection()?).await?;
    Ok(())
}

fn seconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64()
}
