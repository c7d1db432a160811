//! What the database knows of the work and of the replicas as a whole.

use sqlx::Row as _;

use super::{Fault, Held};

/// Accepted, and nobody's: the partial index for claims holds just these and the leased ones. $1 at most
const QUEUED: &str = r#"
SELECT count(*)::int8 AS "queued" FROM (
  SELECT FROM "PipelineRun"
  WHERE "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL AND ("leaseUntil" IS NULL OR "leaseUntil" < now())
  LIMIT $1
) AS queued"#;

/// With a sign of life in the last minute: four missed heartbeats of the longest usual lease.
const REPLICAS: &str = r#"
SELECT "id" FROM "Replica" WHERE "heartbeatAt" > now() - interval '1 minute' ORDER BY "id" LIMIT 1000"#;

pub(super) async fn queue_depth(held: &mut Held<'_>, at_most: usize) -> Result<usize, Fault> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let row = held.query(QUEUED).bind(at_most).fetch_one(held.connection()?).await?;
    let queued: i64 = row.try_get("queued")?;
    Ok(usize::try_from(queued).unwrap_or(0))
}

pub(super) async fn replicas(held: &mut Held<'_>) -> Result<Vec<String>, Fault> {
    let rows = held.query(REPLICAS).fetch_all(held.connection()?).await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}
