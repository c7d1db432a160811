//! Finds the runs that this process no longer owns.

use pipeline::run::RunId;
use sqlx::Row as _;

use crate::{
    ports::lifecycle::Fence,
    postgres::{
        pool::{connections::PooledConn, db_error::DbError},
        values::run_id,
    },
};

/// $1 owner, $2 runs, $3 their epochs, $4 their generations
const LOST: &str = r#"
SELECT mine."id" FROM unnest($2::text[], $3::int4[], $4::int4[]) AS mine("id", "epoch", "generation")
WHERE NOT EXISTS (
  SELECT FROM "PipelineRun" r WHERE r."id" = mine."id" AND r."leaseOwner" = $1 AND r."leaseEpoch" = mine."epoch"
    AND r."generation" = mine."generation" AND r."status" = 'PROCESSING'
)"#;

pub(in crate::postgres) async fn lost_leases(
    conn: &mut PooledConn<'_>,
    fences: &[Fence],
) -> Result<Vec<RunId>, DbError> {
    let Some(first) = fences.first() else { return Ok(Vec::new()) };
    let rows = conn
        .query(LOST)
        .bind(&first.owner)
        .bind(fences.iter().map(|fence| fence.run.as_str()).collect::<Vec<_>>())
        .bind(fences.iter().map(|fence| fence.epoch).collect::<Vec<_>>())
        .bind(fences.iter().map(|fence| fence.generation).collect::<Vec<_>>())
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(|row| run_id(row.try_get("id")?)).collect()
}
