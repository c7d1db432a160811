//! Counts runs in the database.

use std::collections::BTreeMap;

use sqlx::Row as _;

use crate::{
    postgres::pool::{connections::PooledConn, db_error::DbError},
    waiting::WaitReason,
};

/// Counts accepted runs without an owner. The partial index for claims holds only these and the leased runs.
/// $1 limit
const QUEUED: &str = r#"
SELECT count(*)::int8 AS "queued" FROM (
  SELECT FROM "PipelineRun"
  WHERE "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL AND ("leaseUntil" IS NULL OR "leaseUntil" < now() OR "leaseOwner" = 'waiting')
  LIMIT $1
) AS queued"#;

/// Uses the partial index of owners. $1 limit
const WAITING: &str = r#"
SELECT "waitingReason", count(*)::int8 AS "runs" FROM (
  SELECT COALESCE("waitingReason", '') AS "waitingReason" FROM "PipelineRun"
  WHERE "leaseOwner" = 'waiting' AND "status" = 'PROCESSING' LIMIT $1
) AS waiting GROUP BY "waitingReason" "#;

pub(super) async fn waiting(
    conn: &mut PooledConn<'_>,
    at_most: usize,
) -> Result<BTreeMap<WaitReason, usize>, DbError> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let rows = conn.query(WAITING).bind(at_most).fetch_all(conn.connection()?).await?;
    let mut waiting = BTreeMap::new();
    for row in rows {
        let runs: i64 = row.try_get("runs")?;
        let reason = WaitReason::of_word(row.try_get("waitingReason")?);
        *waiting.entry(reason).or_default() += usize::try_from(runs).unwrap_or(0);
    }
    Ok(waiting)
}

/// Uses the partial index of rows with conflicts. $1 limit
const CONFLICTS: &str = r#"
SELECT count(*)::int8 AS "conflicts" FROM (
  SELECT FROM "PipelineRun" WHERE cardinality("conflictedStages") > 0 LIMIT $1
) AS conflicted"#;

pub(super) async fn queue_depth(conn: &mut PooledConn<'_>, at_most: usize) -> Result<usize, DbError> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let row = conn.query(QUEUED).bind(at_most).fetch_one(conn.connection()?).await?;
    let queued: i64 = row.try_get("queued")?;
    Ok(usize::try_from(queued).unwrap_or(0))
}

pub(super) async fn conflicts(conn: &mut PooledConn<'_>, at_most: usize) -> Result<usize, DbError> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let row = conn.query(CONFLICTS).bind(at_most).fetch_one(conn.connection()?).await?;
    let conflicts: i64 = row.try_get("conflicts")?;
    Ok(usize::try_from(conflicts).unwrap_or(0))
}
