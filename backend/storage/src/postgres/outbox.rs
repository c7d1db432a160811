//! The outbox in the database: one row per event. Any free replica claims it.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::{clock::Timestamp, run::RunId};
use sqlx::Row as _;

use crate::{
    error::StorageError,
    ports::{
        combined::Combined,
        outbox::{Delivery, DeliveryCounts, DeliveryOutcome, DueDelivery, Outbox, WebhookEvent},
    },
    postgres::{
        acks::AckRow,
        pool::{
            connections::{PooledConn, bounded},
            db_error::{Access, DbError},
        },
        store::PostgresStore,
        values::{run_id, text},
    },
};

/// An event's place in the order of sending, as in [`WebhookEvent::place`].
macro_rules! place {
    ($row:literal) => {
        concat!(
            "CASE WHEN ",
            $row,
            r#"."event" > 10 THEN 2 * "#,
            $row,
            r#"."event" - 21 ELSE 2 * "#,
            $row,
            r#"."event" END"#
        )
    };
}

/// Claims the first unfinished event of each run, if it is due. The stored times are rounded to milliseconds,
/// so an event may seem due one millisecond late. $1 limit, $2 visibility timeout (s)
const CLAIM: &str = concat!(
    r#"
WITH due AS (
  SELECT d."runId", d."generation", d."event" FROM "WebhookDelivery" d
  WHERE d."settledAt" IS NULL AND d."nextAttemptAt" <= now() + interval '1 millisecond'
    AND NOT EXISTS (
      SELECT FROM "WebhookDelivery" e WHERE e."runId" = d."runId" AND e."settledAt" IS NULL
        AND (e."generation", "#,
    place!("e"),
    r#") < (d."generation", "#,
    place!("d"),
    r#"))
  ORDER BY d."nextAttemptAt" LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE "WebhookDelivery" w SET "attempts" = w."attempts" + 1, "nextAttemptAt" = now() + make_interval(secs => $2)
FROM due WHERE w."runId" = due."runId" AND w."generation" = due."generation" AND w."event" = due."event"
RETURNING w."runId", w."generation", w."event", w."attempts",
  EXISTS (SELECT FROM "WebhookDelivery" g WHERE g."runId" = w."runId" AND g."outcome" = 'gone') AS "isGone""#
);

async fn claim(
    conn: &mut PooledConn<'_>,
    limit: usize,
    visibility_timeout: Duration,
) -> Result<Vec<DueDelivery>, DbError> {
    let rows = conn
        .query(CLAIM)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(visibility_timeout.as_secs_f64())
        .fetch_all(conn.connection()?)
        .await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        // A later version processes an event that this one does not know.
        let Some(event) = WebhookEvent::from_number(row.try_get("event")?) else { continue };
        all.push(DueDelivery {
            run: run_id(row.try_get("runId")?)?,
            generation: row.try_get("generation")?,
            event,
            attempt: row.try_get("attempts")?,
            is_gone: row.try_get("isGone")?,
        });
    }
    Ok(all)
}

/// $1 run, $2 generation, $3 event, $4 outcome, $5 why, $6 whether the event was acknowledged without being
/// sent
const ACK: &str = r#"
UPDATE "WebhookDelivery" SET "settledAt" = now(), "outcome" = $4, "lastError" = $5,
  "attempts" = "attempts" - ($6 AND "generation" = $2 AND "event" = $3)::int
WHERE "runId" = $1 AND "settledAt" IS NULL AND (("generation" = $2 AND "event" = $3) OR $4 = 'gone')"#;

async fn ack(
    conn: &mut PooledConn<'_>,
    due: &DueDelivery,
    outcome: DeliveryOutcome,
    error: Option<&str>,
) -> Result<(), DbError> {
    conn.query(ACK)
        .bind(due.run.as_str())
        .bind(due.generation)
        .bind(due.event.number())
        .bind(outcome.as_str())
        .bind(error.map(text))
        .bind(due.is_gone)
        .execute(conn.connection()?)
        .await?;
    Ok(())
}

/// Postpones an event and all later events of the run. $1 run, $2 generation, $3 event, $4 wait (s), $5 why
const POSTPONE: &str = r#"
UPDATE "WebhookDelivery" SET
  "nextAttemptAt" = CASE WHEN "generation" = $2 AND "event" = $3 THEN now() + make_interval(secs => $4)
                    ELSE GREATEST("nextAttemptAt", now() + make_interval(secs => $4)) END,
  "lastError" = CASE WHEN "generation" = $2 AND "event" = $3 THEN $5 ELSE "lastError" END
WHERE "runId" = $1 AND "settledAt" IS NULL"#;

async fn postpone(
    conn: &mut PooledConn<'_>,
    due: &DueDelivery,
    wait: Duration,
    error: &str,
) -> Result<(), DbError> {
    conn.query(POSTPONE)
        .bind(due.run.as_str())
        .bind(due.generation)
        .bind(due.event.number())
        .bind(wait.as_secs_f64())
        .bind(text(error))
        .execute(conn.connection()?)
        .await?;
    Ok(())
}

/// $1 run, $2 generation, $3 events
const REPLAY: &str = r#"
WITH again AS (
  UPDATE "WebhookDelivery" SET "settledAt" = NULL, "outcome" = NULL, "attempts" = 0, "nextAttemptAt" = now(),
    "lastError" = NULL
  WHERE "runId" = $1 RETURNING "event"
),
added AS (
  INSERT INTO "WebhookDelivery" ("runId", "generation", "event")
  SELECT $1, $2, e FROM unnest($3::int4[]) AS e
  WHERE NOT EXISTS (SELECT FROM "WebhookDelivery" k WHERE k."runId" = $1 AND k."event" = e)
  ON CONFLICT DO NOTHING RETURNING "event"
)
SELECT (SELECT count(*) FROM again) + (SELECT count(*) FROM added) AS "count""#;

async fn replay(
    conn: &mut PooledConn<'_>,
    run: &RunId,
    generation: i32,
    events: &[WebhookEvent],
) -> Result<usize, DbError> {
    let row = conn
        .query(REPLAY)
        .bind(run.as_str())
        .bind(generation)
        .bind(events.iter().map(|event| event.number()).collect::<Vec<_>>())
        .fetch_one(conn.connection()?)
        .await?;
    Ok(usize::try_from(row.try_get::<i64, _>("count")?).unwrap_or_default())
}

const DELIVERIES: &str = r#"
SELECT "generation", "event", "attempts", (extract(epoch FROM "nextAttemptAt") * 1000)::int8 AS "nextAttemptAt",
  "outcome", "lastError"
FROM "WebhookDelivery" WHERE "runId" = $1 ORDER BY "generation", CASE WHEN "event" > 10 THEN 2 * "event" - 21 ELSE 2 * "event" END"#;

async fn deliveries(conn: &mut PooledConn<'_>, run: &RunId) -> Result<Vec<Delivery>, DbError> {
    let rows = conn.query(DELIVERIES).bind(run.as_str()).fetch_all(conn.connection()?).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(event) = WebhookEvent::from_number(row.try_get("event")?) else { continue };
        all.push(Delivery {
            generation: row.try_get("generation")?,
            event,
            attempts: row.try_get("attempts")?,
            next_attempt_at: Timestamp::from_timestamp_millis(row.try_get("nextAttemptAt")?)
                .unwrap_or_default(),
            outcome: row.try_get::<Option<&str>, _>("outcome")?.and_then(DeliveryOutcome::parse),
            last_error: row.try_get("lastError")?,
        });
    }
    Ok(all)
}

const COUNT: &str = r#"
SELECT count(*) FILTER (WHERE "settledAt" IS NULL) AS "pending",
  count(*) FILTER (WHERE "outcome" = 'delivered') AS "delivered",
  count(*) FILTER (WHERE "outcome" = 'gone') AS "gone",
  count(*) FILTER (WHERE "outcome" = 'gave_up') AS "gaveUp",
  (array_agg(DISTINCT "runId") FILTER (WHERE "outcome" = 'gave_up'))[1:3] AS "gaveUpRuns",
  COALESCE(extract(epoch FROM now() - min("createdAt") FILTER (WHERE "settledAt" IS NULL)), 0)::int8 AS "oldest"
FROM "WebhookDelivery""#;

async fn count(conn: &mut PooledConn<'_>) -> Result<DeliveryCounts, DbError> {
    let row = conn.query(COUNT).fetch_one(conn.connection()?).await?;
    let number = |name| Ok::<_, DbError>(u64::try_from(row.try_get::<i64, _>(name)?).unwrap_or_default());
    Ok(DeliveryCounts {
        pending: number("pending")?,
        delivered: number("delivered")?,
        gone: number("gone")?,
        gave_up: number("gaveUp")?,
        gave_up_runs: row.try_get::<Option<_>, _>("gaveUpRuns")?.unwrap_or_default(),
        oldest_pending_seconds: number("oldest")?,
    })
}

/// Imports deliveries. An event that either side has delivered counts as delivered. $1 run, $2 generations,
/// $3 events, $4 attempts, $5 outcomes, $6 when (ms)
const IMPORT: &str = r#"
INSERT INTO "WebhookDelivery" AS w ("runId", "generation", "event", "attempts", "nextAttemptAt", "settledAt", "outcome")
SELECT $1, o.generation, o.event, o.attempts, to_timestamp(o.at::float8 / 1000),
  CASE WHEN o.outcome IS NOT NULL THEN now() END, o.outcome
FROM unnest($2::int4[], $3::int4[], $4::int4[], $5::text[], $6::int8[]) AS o(generation, event, attempts, outcome, at)
ON CONFLICT ("runId", "generation", "event") DO UPDATE SET
  "settledAt" = COALESCE(w."settledAt", EXCLUDED."settledAt"), "outcome" = COALESCE(w."outcome", EXCLUDED."outcome")"#;

async fn import_deliveries(conn: &mut PooledConn<'_>, run: &RunId, all: &[Delivery]) -> Result<(), DbError> {
    conn.query(IMPORT)
        .bind(run.as_str())
        .bind(all.iter().map(|one| one.generation).collect::<Vec<_>>())
        .bind(all.iter().map(|one| one.event.number()).collect::<Vec<_>>())
        .bind(all.iter().map(|one| one.attempts).collect::<Vec<_>>())
        .bind(all.iter().map(|one| one.outcome.map(DeliveryOutcome::as_str)).collect::<Vec<_>>())
        .bind(all.iter().map(|one| one.next_attempt_at.timestamp_millis()).collect::<Vec<_>>())
        .execute(conn.connection()?)
        .await?;
    Ok(())
}

/// $1 visibility timeout (s)
const HASTEN: &str = r#"
UPDATE "WebhookDelivery" SET "nextAttemptAt" = now()
WHERE "settledAt" IS NULL AND "nextAttemptAt" > now() + make_interval(secs => $1)"#;

async fn hasten(conn: &mut PooledConn<'_>, visibility_timeout: Duration) -> Result<usize, DbError> {
    let hastened =
        conn.query(HASTEN).bind(visibility_timeout.as_secs_f64()).execute(conn.connection()?).await?;
    Ok(usize::try_from(hastened.rows_affected()).unwrap_or(usize::MAX))
}

#[async_trait]
impl Outbox for PostgresStore {
    async fn claim_due(
        &self,
        limit: usize,
        visibility_timeout: Duration,
    ) -> Result<Vec<DueDelivery>, StorageError> {
        bounded!(self.pool, Access::Write, |conn| claim(conn, limit, visibility_timeout))
    }

    async fn ack(
        &self,
        due: &DueDelivery,
        outcome: DeliveryOutcome,
        error: Option<&str>,
    ) -> Result<(), StorageError> {
        // The run's other events are settled too, or the attempt is undone: neither is worth sharing.
        if outcome != DeliveryOutcome::Gone && !due.is_gone {
            let row = AckRow { due: due.clone(), outcome, error: error.map(str::to_owned) };
            match self.shared.ack(&self.pool, row).await {
                Combined::Stored => return Ok(()),
                Combined::Failed(error) => return Err(error),
                Combined::Alone(_) | Combined::Left => {}
            }
        }
        bounded!(self.pool, Access::Write, |conn| ack(conn, due, outcome, error))
    }

    async fn postpone(&self, due: &DueDelivery, wait: Duration, error: &str) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| postpone(conn, due, wait, error))
    }

    async fn hasten(&self, visibility_timeout: Duration) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Write, |conn| hasten(conn, visibility_timeout))
    }

    async fn replay(
        &self,
        run: &RunId,
        generation: i32,
        events: &[WebhookEvent],
    ) -> Result<usize, StorageError> {
        bounded!(self.pool, Access::Write, |conn| replay(conn, run, generation, events))
    }

    async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>, StorageError> {
        bounded!(self.pool, Access::Read, |conn| deliveries(conn, run))
    }

    async fn count_deliveries(&self) -> Result<DeliveryCounts, StorageError> {
        bounded!(self.pool, Access::Read, |conn| count(conn))
    }

    async fn import_deliveries(&self, run: &RunId, all: &[Delivery]) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| import_deliveries(conn, run, all))
    }
}
