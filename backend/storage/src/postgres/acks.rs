//! Acknowledges the webhooks of several runs in one statement.

use std::collections::HashSet;

use pipeline::run::RunId;
use sqlx::Row as _;

use crate::{
    ports::outbox::{DeliveryOutcome, DueDelivery},
    postgres::{
        combiner::Row,
        pool::{connections::PooledConn, db_error::DbError},
        shared::lock_limit,
        values::{column, text},
    },
};

/// An acknowledgement that shares its statement with those of other runs.
#[derive(Debug)]
pub(super) struct AckRow {
    pub(super) due: DueDelivery,
    pub(super) outcome: DeliveryOutcome,
    pub(super) error: Option<String>,
}

impl Row for AckRow {
    fn run(&self) -> &RunId {
        &self.due.run
    }

    fn bytes(&self) -> usize {
        self.error.as_ref().map_or(0, String::len)
    }
}

/// Acknowledges one event each of several runs. $1 runs, $2 generations, $3 events, $4 outcomes, $5 why
const ACK_SHARED: &str = concat!(
    "WITH ",
    lock_limit!(shared),
    r#",
mine AS MATERIALIZED (
  SELECT m.* FROM unnest($1::text[], $2::int4[], $3::int4[], $4::text[], $5::text[])
    AS m("run", "generation", "event", "outcome", "error") CROSS JOIN limited
),
free AS MATERIALIZED (
  SELECT w."runId" FROM "WebhookDelivery" w JOIN mine m
    ON w."runId" = m."run" AND w."generation" = m."generation" AND w."event" = m."event"
  WHERE w."settledAt" IS NULL ORDER BY w."runId" FOR NO KEY UPDATE OF w SKIP LOCKED
)
UPDATE "WebhookDelivery" w SET "settledAt" = now(), "outcome" = m."outcome", "lastError" = m."error"
FROM mine m, free f
WHERE f."runId" = m."run" AND w."runId" = m."run" AND w."generation" = m."generation" AND w."event" = m."event"
  AND w."settledAt" IS NULL
RETURNING w."runId""#
);

pub(super) async fn ack_shared(
    conn: &mut PooledConn<'_>,
    rows: &[AckRow],
) -> Result<HashSet<String>, DbError> {
    let acked = conn
        .query(ACK_SHARED)
        .bind(column(rows, |row| row.due.run.as_str()))
        .bind(column(rows, |row| row.due.generation))
        .bind(column(rows, |row| row.due.event.number()))
        .bind(column(rows, |row| row.outcome.as_str()))
        .bind(column(rows, |row| row.error.as_deref().map(text)))
        .fetch_all(conn.connection()?)
        .await?;
    acked.iter().map(|row| Ok(row.try_get("runId")?)).collect()
}
