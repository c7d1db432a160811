//! Bulk operations in the database.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::{brand::BrandId, clock::Timestamp};
use sqlx::{Postgres, Row as _, postgres::PgArguments, query::Query};

use super::{
    bulk_statements::{
        self as statements, CANCEL, CLAIM, EXPIRE, FINISH, OPERATION, OPERATIONS, RECORD, RELEASE,
    },
    json::{row_of, text_of},
};
use crate::{
    control_plane::{
        AuditRecord, BULK_PROBLEMS_MAX, BULK_RUNS_MAX, BulkAction, BulkBatch, BulkFilter, BulkLease,
        BulkOperation, BulkOperations, BulkOrder, BulkPreview, BulkResult, BulkStart, Principal,
    },
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

#[async_trait]
impl BulkOperations for PostgresStore {
    async fn preview(
        &self,
        action: BulkAction,
        filter: &BulkFilter,
        as_of: Timestamp,
    ) -> Result<BulkPreview, StorageError> {
        bounded!(self.pool, Access::Read, |conn| preview(conn, action, filter, as_of))
    }

    async fn start(&self, order: &BulkOrder, audit: &AuditRecord) -> Result<BulkStart, StorageError> {
        let (filter, actor, audit) = (text_of(&order.filter)?, text_of(&order.actor)?, text_of(audit)?);
        let texts = StartTexts { filter, actor, audit };
        bounded!(self.pool, Access::Write, |conn| start(conn, order, texts))
    }

    async fn operation(&self, id: &str) -> Result<Option<BulkOperation>, StorageError> {
        let text = bounded!(self.pool, Access::Read, |conn| operation(conn, id))?;
        text.map(|text| row_of(&text)).transpose()
    }

    async fn operations(&self, limit: usize) -> Result<Vec<BulkOperation>, StorageError> {
        let texts = bounded!(self.pool, Access::Read, |conn| operations(conn, limit))?;
        texts.iter().map(|text| row_of(text)).collect()
    }

    async fn cancel(&self, id: &str, audit: &AuditRecord) -> Result<bool, StorageError> {
        let audit = text_of(audit)?;
        bounded!(self.pool, Access::Write, |conn| cancel(conn, id, audit))
    }

    async fn claim(&self, lease: &BulkLease, limit: usize) -> Result<Option<BulkBatch>, StorageError> {
        let text = bounded!(self.pool, Access::Write, |conn| claim(conn, lease, limit))?;
        text.map(|text| row_of(&text)).transpose()
    }

    async fn record(&self, operation: &str, results: &[BulkResult]) -> Result<bool, StorageError> {
        let results = text_of(&results)?;
        bounded!(self.pool, Access::Write, |conn| record(conn, operation, results))
    }

    async fn release(&self, owner: &str) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| release(conn, owner))
    }

    async fn expire(&self, keep: Duration, limit: usize) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Write, |conn| expire(conn, keep, limit))
    }
}

type Asked<'q> = Query<'q, Postgres, PgArguments>;

/// Binds $1 to $9, the filter. The server plans each statement anew for these values.
fn filtered<'q>(sql: String, filter: &BulkFilter, as_of: Timestamp) -> Asked<'q> {
    let millis = |at: Option<Timestamp>| at.map(|at| at.timestamp_millis());
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .persistent(false)
        .bind(filter.status.map(statements::word))
        .bind(filter.company_id.as_ref().map(BrandId::to_string))
        .bind(filter.principal.as_ref().and_then(Principal::stored).map(str::to_owned))
        .bind(filter.error_code.map(|code| code.as_str()))
        .bind(filter.model.as_deref().map(|model| text(model).into_owned()))
        .bind(millis(filter.created_from))
        .bind(millis(filter.created_before))
        .bind(millis(filter.ended_from))
        .bind(as_of.timestamp_millis())
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

async fn preview(
    conn: &mut PooledConn<'_>,
    action: BulkAction,
    filter: &BulkFilter,
    as_of: Timestamp,
) -> Result<BulkPreview, DbError> {
    let query = filtered(statements::preview(action, filter), filter, as_of);
    let row = query.fetch_one(conn.connection()?).await?;
    let matching = size(row.try_get("matching")?);
    let is_retry = action == BulkAction::Retry;
    Ok(BulkPreview {
        matching: matching.min(BULK_RUNS_MAX),
        is_exact: matching <= BULK_RUNS_MAX,
        not_retryable: size(row.try_get("hopeless")?),
        cost_usd: row.try_get::<Option<f64>, _>("cost")?.filter(|_| is_retry),
        missing_stages: if is_retry { size(row.try_get("missing")?) } else { 0 },
    })
}

/// The JSON of an order.
struct StartTexts {
    filter: String,
    actor: String,
    audit: String,
}

async fn start(
    conn: &mut PooledConn<'_>,
    order: &BulkOrder,
    texts: StartTexts,
) -> Result<BulkStart, DbError> {
    let query = filtered(statements::start(order.action, &order.filter), &order.filter, order.as_of);
    let row = query
        .bind(&order.id)
        .bind(order.action.as_str())
        .bind(texts.filter)
        .bind(text(&order.reason))
        .bind(texts.actor)
        .bind(limit_of(order.expected))
        .bind(limit_of(order.tolerance))
        .bind(texts.audit)
        .fetch_one(conn.connection()?)
        .await?;
    if row.try_get("isNew")? {
        return Ok(BulkStart::Started);
    }
    Ok(match (row.try_get("isKnown")?, row.try_get("isSame")?, row.try_get("isFull")?) {
        (true, true, _) => BulkStart::Existing,
        (true, false, _) => BulkStart::Mismatch,
        (false, _, true) => BulkStart::TooMany,
        (false, _, false) => BulkStart::Differs(size(row.try_get("matching")?)),
    })
}

async fn operation(conn: &mut PooledConn<'_>, id: &str) -> Result<Option<String>, DbError> {
    let query = conn.query(OPERATION).bind(id).bind(BULK_PROBLEMS_MAX);
    let row = query.fetch_optional(conn.connection()?).await?;
    Ok(row.map(|row| row.try_get("operation")).transpose()?)
}

async fn operations(conn: &mut PooledConn<'_>, limit: usize) -> Result<Vec<String>, DbError> {
    let rows = conn.query(OPERATIONS).bind(limit_of(limit)).fetch_all(conn.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("operation")?)).collect()
}

async fn cancel(conn: &mut PooledConn<'_>, id: &str, audit: String) -> Result<bool, DbError> {
    let row = conn.query(CANCEL).bind(id).bind(audit).fetch_one(conn.connection()?).await?;
    Ok(row.try_get("isEnded")?)
}

async fn claim(
    conn: &mut PooledConn<'_>,
    lease: &BulkLease,
    limit: usize,
) -> Result<Option<String>, DbError> {
    let query = conn.query(CLAIM).bind(&lease.owner).bind(lease.duration.as_secs_f64());
    let query = query.bind(limit_of(limit)).bind(&lease.replica);
    let row = query.fetch_optional(conn.connection()?).await?;
    Ok(row.map(|row| row.try_get("batch")).transpose()?)
}

async fn record(conn: &mut PooledConn<'_>, operation: &str, results: String) -> Result<bool, DbError> {
    conn.query(RECORD).bind(operation).bind(results).execute(conn.connection()?).await?;
    let done = conn.query(FINISH).bind(operation).execute(conn.connection()?).await?;
    Ok(done.rows_affected() > 0)
}

async fn release(conn: &mut PooledConn<'_>, owner: &str) -> Result<(), DbError> {
    conn.query(RELEASE).bind(owner).execute(conn.connection()?).await?;
    Ok(())
}

async fn expire(conn: &mut PooledConn<'_>, keep: Duration, limit: usize) -> Result<usize, DbError> {
    let query = conn.query(EXPIRE).bind(keep.as_secs_f64()).bind(limit_of(limit));
    let row = query.fetch_one(conn.connection()?).await?;
    Ok(size(row.try_get("removed")?))
}
