//! Reads deleted runs, and runs whose row somebody has removed.

use pipeline::{clock::Timestamp, run::RunId};
use sqlx::Row as _;

use crate::postgres::{
    pool::{connections::PooledConn, db_error::DbError},
    sync::run_ids,
    values::{run_id, time},
};

const ABSENT_AMONG: &str = r#"
SELECT "id" FROM unnest($1::text[]) AS asked("id")
WHERE NOT EXISTS (SELECT FROM "PipelineRun" r WHERE r."id" = asked."id")"#;

pub(super) async fn absent_among(conn: &mut PooledConn<'_>, runs: &[RunId]) -> Result<Vec<RunId>, DbError> {
    let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    let rows = conn.query(ABSENT_AMONG).bind(names).fetch_all(conn.connection()?).await?;
    run_ids(&rows)
}

/// $1 time (ms), $2 run, or none for all of that time, $3 limit
const TOMBSTONES: &str = r#"
SELECT "runId", (extract(epoch FROM "deletedAt") * 1000)::int8 AS "at" FROM "RunTombstone"
WHERE $1::int8 IS NULL OR ("deletedAt", "runId") > (to_timestamp($1::float8 / 1000), COALESCE($2::text, ''))
ORDER BY "deletedAt", "runId" LIMIT $3"#;

pub(super) async fn tombstones(
    conn: &mut PooledConn<'_>,
    after: Option<(Timestamp, Option<&RunId>)>,
    limit: usize,
) -> Result<Vec<(RunId, Timestamp)>, DbError> {
    let rows = conn
        .query(TOMBSTONES)
        .bind(after.map(|(at, _)| at.timestamp_millis()))
        .bind(after.and_then(|(_, run)| run).map(RunId::as_str))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(conn.connection()?)
        .await?;
    let mut stones = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(at) = time(row.try_get("at")?) else { continue };
        stones.push((run_id(row.try_get("runId")?)?, at));
    }
    Ok(stones)
}
