//! Alerts.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sqlx::{Row as _, postgres::PgRow};

use super::json::{row_of, text_of};
use crate::{
    control_plane::{AlertExchange, AlertFacts, AlertStore, AuditRecord, SharedAlerts, Silence},
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

/// The silences that have not ended, as a JSON text.
macro_rules! silences {
    () => {
        r#"COALESCE((SELECT jsonb_agg(to_jsonb(s)) FROM (
    SELECT * FROM "innovation"."AlertSilence" WHERE "endsAt" > now() ORDER BY "endsAt" DESC LIMIT 100
  ) s), '[]')::text AS "silences""#
    };
}

/// $1 the replica, $2 its report, $3 the lease in seconds
const EXCHANGE: &str = concat!(
    r#"
WITH mine AS (
  INSERT INTO "innovation"."AlertReport" ("replica", "at", "report") VALUES ($1, now(), $2::jsonb)
  ON CONFLICT ("replica") DO UPDATE SET "at" = now(), "report" = EXCLUDED."report"
),
gone AS (DELETE FROM "innovation"."AlertReport" WHERE "at" < now() - interval '1 hour' AND "replica" <> $1),
ended AS (DELETE FROM "innovation"."AlertSilence" WHERE "endsAt" < now() - interval '30 days'),
led AS (
  INSERT INTO "innovation"."AlertBook" AS b ("id", "owner", "until") VALUES (1, $1, now() + make_interval(secs => $3))
  ON CONFLICT ("id") DO UPDATE SET "owner" = $1, "until" = now() + make_interval(secs => $3)
    WHERE b."owner" = $1 OR b."until" < now()
  RETURNING 1
)
SELECT EXISTS (SELECT FROM led) AS "leads",
  (SELECT "book"::text FROM "innovation"."AlertBook") AS "book",
  COALESCE((SELECT jsonb_agg(jsonb_build_object('replica', r."replica", 'report', r."report")) FROM (
    SELECT * FROM "innovation"."AlertReport" WHERE "replica" <> $1 AND "at" > now() - make_interval(secs => $3)
    ORDER BY "replica" LIMIT 100
  ) r), '[]')::text AS "reports",
  "#,
    silences!()
);

/// $1 the owner, $2 the book
const SAVE: &str = r#"
UPDATE "innovation"."AlertBook" SET "book" = $2::jsonb WHERE "owner" = $1 AND "until" > now()"#;

const SHARED: &str = concat!(
    r#"
SELECT false AS "leads", (SELECT "book"::text FROM "innovation"."AlertBook") AS "book", '[]' AS "reports",
  "#,
    silences!()
);

/// $1 the replica
const LEAVE: &str = r#"
WITH gone AS (DELETE FROM "innovation"."AlertReport" WHERE "replica" = $1)
UPDATE "innovation"."AlertBook" SET "until" = now() - interval '1 second' WHERE "owner" = $1"#;

/// $1 the silence, $2 the audit record
const SILENCE: &str = r#"
WITH silenced AS (
  INSERT INTO "innovation"."AlertSilence"
  SELECT * FROM jsonb_populate_record(NULL::"innovation"."AlertSilence", $1::jsonb)
  RETURNING 1
)
INSERT INTO "innovation"."AuditRecord"
SELECT a.* FROM silenced, jsonb_populate_record(NULL::"innovation"."AuditRecord", $2::jsonb) a"#;

/// $1 the silence's id, $2 the audit record
const END: &str = r#"
WITH ended AS (
  UPDATE "innovation"."AlertSilence" SET "endsAt" = now() WHERE "id" = $1 AND "endsAt" > now() RETURNING "rule"
)
INSERT INTO "innovation"."AuditRecord"
SELECT a.* FROM ended, jsonb_populate_record(NULL::"innovation"."AuditRecord",
  $2::jsonb || jsonb_build_object('old', jsonb_build_object('rule', ended."rule"))) a"#;

/// $1 the silences as a JSON array
const IMPORT: &str = r#"
INSERT INTO "innovation"."AlertSilence" AS s
SELECT * FROM jsonb_populate_recordset(NULL::"innovation"."AlertSilence", $1::jsonb)
ON CONFLICT ("id") DO UPDATE SET "endsAt" = LEAST(s."endsAt", EXCLUDED."endsAt")"#;

/// The first uses the partial index for claims, the second the one of pending webhooks. A run that waits for its model is not
/// overdue. A run that comes back waits since then, not since it was accepted: after a retry, which keeps the acceptance, or after
/// the lease of a dead worker.
const FACTS: &str = r#"
SELECT
  (SELECT extract(epoch FROM now() - min("since"))::float8 FROM (
    SELECT COALESCE("leaseUntil", GREATEST("acceptedAt", "updatedAt")) AS "since" FROM "PipelineRun"
    WHERE "status" = 'PROCESSING' AND "acceptedAt" IS NOT NULL AND ("leaseUntil" IS NULL OR "leaseUntil" < now())
    LIMIT 10000
  ) q) AS "queued",
  w."oldest", w."pending",
  COALESCE((SELECT sum("usd") FROM "innovation"."Spend" WHERE "day" = (now() AT TIME ZONE 'UTC')::date), 0)::float8 AS "usd"
FROM (
  SELECT extract(epoch FROM now() - min("createdAt"))::float8 AS "oldest", count(*)::int8 AS "pending" FROM (
    SELECT "createdAt" FROM "WebhookDelivery" WHERE "settledAt" IS NULL LIMIT 10000
  ) p
) w"#;

#[async_trait]
impl AlertStore for PostgresStore {
    async fn exchange(&self, exchange: &AlertExchange) -> Result<SharedAlerts, StorageError> {
        let AlertExchange { mine, lease } = exchange;
        let report = text_of(&mine.report)?;
        let seconds = lease.as_secs_f64();
        let texts =
            bounded!(self.pool, Access::Write, |conn| exchanged(conn, &mine.replica, report, seconds))?;
        texts.parsed()
    }

    async fn save_book(&self, owner: &str, book: &Value) -> Result<bool, StorageError> {
        let book = text_of(book)?;
        bounded!(self.pool, Access::Write, |conn| save(conn, owner, book))
    }

    async fn shared(&self) -> Result<SharedAlerts, StorageError> {
        bounded!(self.pool, Access::Read, |conn| shared(conn))?.parsed()
    }

    async fn leave(&self, replica: &str) -> Result<(), StorageError> {
        bounded!(self.pool, Access::Write, |conn| leave(conn, replica))
    }

    async fn silence(&self, silence: &Silence, record: &AuditRecord) -> Result<(), StorageError> {
        let (silence, record) = (text_of(silence)?, text_of(record)?);
        bounded!(self.pool, Access::Write, |conn| add(conn, silence, record))
    }

    async fn end_silence(&self, id: &str, record: &AuditRecord) -> Result<bool, StorageError> {
        let record = text_of(record)?;
        bounded!(self.pool, Access::Write, |conn| end(conn, id, record))
    }

    async fn import_silences(&self, silences: &[Silence]) -> Result<(), StorageError> {
        let silences = text_of(&silences)?;
        bounded!(self.pool, Access::Write, |conn| import(conn, silences))
    }

    async fn facts(&self) -> Result<AlertFacts, StorageError> {
        bounded!(self.pool, Access::Read, |conn| facts(conn))
    }
}

/// The answer to an exchange, as texts.
struct Texts {
    leads: bool,
    book: Option<String>,
    reports: String,
    silences: String,
}

impl Texts {
    fn of(row: &PgRow) -> Result<Self, DbError> {
        Ok(Self {
            leads: row.try_get("leads")?,
            book: row.try_get("book")?,
            reports: row.try_get("reports")?,
            silences: row.try_get("silences")?,
        })
    }

    fn parsed(self) -> Result<SharedAlerts, StorageError> {
        Ok(SharedAlerts {
            leads: self.leads,
            book: self.book.map(|book| row_of(&book)).transpose()?,
            reports: row_of(&self.reports)?,
            silences: row_of(&self.silences)?,
        })
    }
}

async fn exchanged(
    conn: &mut PooledConn<'_>,
    replica: &str,
    report: String,
    lease: f64,
) -> Result<Texts, DbError> {
    let row = conn
        .query(EXCHANGE)
        .bind(text(replica))
        .bind(report)
        .bind(lease)
        .fetch_one(conn.connection()?)
        .await?;
    Texts::of(&row)
}

async fn save(conn: &mut PooledConn<'_>, owner: &str, book: String) -> Result<bool, DbError> {
    let done = conn.query(SAVE).bind(text(owner)).bind(book).execute(conn.connection()?).await?;
    Ok(done.rows_affected() > 0)
}

async fn shared(conn: &mut PooledConn<'_>) -> Result<Texts, DbError> {
    Texts::of(&conn.query(SHARED).fetch_one(conn.connection()?).await?)
}

async fn leave(conn: &mut PooledConn<'_>, replica: &str) -> Result<(), DbError> {
    conn.query(LEAVE).bind(text(replica)).execute(conn.connection()?).await?;
    Ok(())
}

async fn add(conn: &mut PooledConn<'_>, silence: String, record: String) -> Result<(), DbError> {
    conn.query(SILENCE).bind(silence).bind(record).execute(conn.connection()?).await?;
    Ok(())
}

async fn end(conn: &mut PooledConn<'_>, id: &str, record: String) -> Result<bool, DbError> {
    let done = conn.query(END).bind(text(id)).bind(record).execute(conn.connection()?).await?;
    Ok(done.rows_affected() > 0)
}

async fn import(conn: &mut PooledConn<'_>, silences: String) -> Result<(), DbError> {
    conn.query(IMPORT).bind(silences).execute(conn.connection()?).await?;
    Ok(())
}

async fn facts(conn: &mut PooledConn<'_>) -> Result<AlertFacts, DbError> {
    let row = conn.query(FACTS).fetch_one(conn.connection()?).await?;
    let age = |name: &str| -> Result<Option<Duration>, DbError> {
        let seconds: Option<f64> = row.try_get(name)?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()))
    };
    let pending: i64 = row.try_get("pending")?;
    Ok(AlertFacts {
        oldest_queued: age("queued")?,
        oldest_webhook: age("oldest")?,
        pending_webhooks: u64::try_from(pending).unwrap_or_default(),
        usd_today: row.try_get("usd")?,
    })
}
