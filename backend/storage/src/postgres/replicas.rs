//! Reads the queue, the conflicts and the live replicas from the database.

use sqlx::{Row as _, postgres::PgRow};

use crate::{
    ports::replicas::Replica,
    postgres::pool::{connections::PooledConn, db_error::DbError},
};

/// Replicas with a heartbeat in the last minute, which allows for a dozen missed ones.
const REPLICAS: &str = r#"
SELECT "id", "role", "version", "gitSha", "flagRevision", "runsInFlight", "draining",
       GREATEST(extract(epoch FROM now() - "heartbeatAt"), 0)::int4 AS "silent"
FROM "Replica" WHERE "heartbeatAt" > now() - interval '1 minute' ORDER BY "id" LIMIT 1000"#;

/// A process that was cut off for up to ten minutes may return and accept runs. After a day, its entry is
/// deleted.
/// $1 id, $2 role, $3 version, $4 commit, $5 flags, $6 runs in flight, $7 draining
const HEARTBEAT: &str = r#"
WITH mine AS (
  INSERT INTO "Replica" ("id", "role", "version", "gitSha", "flagRevision", "runsInFlight", "draining")
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT ("id") DO UPDATE SET "role" = $2, "version" = $3, "gitSha" = $4, "flagRevision" = $5,
    "runsInFlight" = $6, "draining" = $7, "heartbeatAt" = now()
),
forgotten AS (DELETE FROM "Replica" WHERE "heartbeatAt" < now() - interval '1 day' AND "id" <> $1)
SELECT "id" FROM "Replica" WHERE "id" <> $1 AND "heartbeatAt" > now() - interval '10 minutes' LIMIT 1000"#;

const LEAVE: &str = r#"DELETE FROM "Replica" WHERE "id" = $1"#;

pub(super) async fn replicas(conn: &mut PooledConn<'_>) -> Result<Vec<Replica>, DbError> {
    let rows = conn.query(REPLICAS).fetch_all(conn.connection()?).await?;
    let replica = |row: &PgRow| {
        let (runs, silent): (i32, i32) = (row.try_get("runsInFlight")?, row.try_get("silent")?);
        Ok(Replica {
            id: row.try_get("id")?,
            role: row.try_get("role")?,
            version: row.try_get("version")?,
            git_sha: row.try_get("gitSha")?,
            flags: row.try_get::<Option<String>, _>("flagRevision")?.unwrap_or_default(),
            runs_in_flight: u32::try_from(runs).unwrap_or(0),
            is_draining: row.try_get("draining")?,
            silent_seconds: u32::try_from(silent).unwrap_or(0),
        })
    };
    rows.iter().map(replica).collect()
}

pub(super) async fn heartbeat(conn: &mut PooledConn<'_>, replica: &Replica) -> Result<Vec<String>, DbError> {
    let rows = conn
        .query(HEARTBEAT)
        .bind(&replica.id)
        .bind(&replica.role)
        .bind(&replica.version)
        .bind(replica.git_sha.as_deref())
        .bind(&replica.flags)
        .bind(i32::try_from(replica.runs_in_flight).unwrap_or(i32::MAX))
        .bind(replica.is_draining)
        .fetch_all(conn.connection()?)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

pub(super) async fn leave(conn: &mut PooledConn<'_>, replica_id: &str) -> Result<(), DbError> {
    conn.query(LEAVE).bind(replica_id).execute(conn.connection()?).await?;
    Ok(())
}
