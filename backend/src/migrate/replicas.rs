//! Before outputs leave the database: waits until each live replica has said that its files have them.

use std::time::Duration;

use sqlx::PgConnection;

use super::{error::MigrateError, session::unreachable};

/// Each replica acknowledges its flags four times a minute, and sooner if it is asked, once its files have what the database
/// has. A replica that has died is no longer live by then.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A database of an older release has no acknowledgements, and its replicas write their files at once.
const IS_KNOWN: &str =
    r#"SELECT to_regclass('"innovation"."FlagAck"') IS NOT NULL AND to_regclass('"Replica"') IS NOT NULL"#;

/// Asks the replicas that listen. Behind a pooler nobody does.
const ASK: &str = "SELECT pg_notify('innovation_flags', '')::text, now()::text";

/// The live replicas that have acknowledged nothing since. $1 then
const MISSING: &str = r#"
SELECT a."replica" FROM "innovation"."FlagAck" a JOIN "Replica" r ON r."id" = a."replica"
WHERE r."heartbeatAt" > now() - interval '12 seconds' AND a."at" < $1::timestamptz
ORDER BY 1 LIMIT 1000"#;

/// Waits until the files of all live replicas have what the database has now.
pub(super) async fn wait_for_files(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let is_known: bool = sqlx::query_scalar(IS_KNOWN)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| unreachable(&error))?;
    if !is_known {
        return Ok(());
    }
    let (_, asked): (String, String) =
        sqlx::query_as(ASK).fetch_one(&mut *connection).await.map_err(|error| unreachable(&error))?;
    let waiting = async {
        loop {
            let missing = missing(connection, &asked).await?;
            if missing.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if let Ok(waited) = tokio::time::timeout(WAIT_MAX, waiting).await {
        return waited;
    }
    let replicas = missing(connection, &asked).await?;
    if replicas.is_empty() { Ok(()) } else { Err(MigrateError::FilesBehind { replicas }) }
}

async fn missing(connection: &mut PgConnection, asked: &str) -> Result<Vec<String>, MigrateError> {
    let missing = sqlx::query_scalar(MISSING).bind(asked).fetch_all(connection).await;
    missing.map_err(|error| unreachable(&error))
}
