//! Recognises an end that was written before.

use pipeline::run::RunStatus;
use sqlx::Row as _;

use super::load;
use crate::{
    ports::lifecycle::Fence,
    postgres::pool::{
        connections::PooledConn,
        db_error::{DbError, fenced},
    },
};

/// Succeeds if the run already has this end under this fence. Then the answer to an earlier attempt was lost.
pub(super) async fn already(
    conn: &mut PooledConn<'_>,
    fence: &Fence,
    status: RunStatus,
) -> Result<(), DbError> {
    let sql = r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = $1 AND "leaseEpoch" = $2 AND "generation" = $3
                 AND "leaseOwner" IS NULL"#;
    let row = conn
        .query(sql)
        .bind(fence.run.as_str())
        .bind(fence.epoch)
        .bind(fence.generation)
        .fetch_optional(conn.connection()?)
        .await?;
    match row {
        Some(row) if load::status(row.try_get(0)?)? == status => Ok(()),
        _ => Err(fenced(&fence.run)),
    }
}
