//! Runs one script. Each step is committed separately, as in Prisma.

use std::time::Duration;

use pipeline::clock::Clock;
use sqlx::PgConnection;

use super::{error::MigrateError, ledger, scripts::Migration, session::unreachable};

/// How long a migration waits for a lock on a table. Statements of a running service queue behind the waiting
/// migration, so the wait must be short.
pub(super) const TABLE_WAIT: &str = "3s";

/// How often a script is repeated after a lock conflict. The database has rolled it back completely, so a
/// repetition is safe.
const TRIES: usize = 10;

/// The wait between two attempts, in which the service can finish its waiting writes.
const PAUSE: Duration = Duration::from_millis(500);

/// SQLSTATEs of temporary errors: a deadlock, and a lock timeout.
const PASSING: [&str; 2] = ["40P01", "55P03"];

/// Runs a migration and records it.
pub(super) async fn apply(
    connection: &mut PgConnection,
    migration: &Migration<'_>,
    clock: &dyn Clock,
) -> Result<(), MigrateError> {
    // A concurrent index build has to wait for all older transactions, and blocks nobody.
    let wait = if migration.concurrent_index().is_some() { "0" } else { TABLE_WAIT };
    wait_at_most(connection, wait).await?;
    let id = ledger::begin(connection, migration.name, &migration.checksum(), clock.now()).await?;
    match run(connection, migration).await {
        Ok(()) => ledger::finish(connection, &id, clock.now()).await,
        Err(error) => {
            let failure = Failure::new(&error);
            // Best effort. Without it, the row still shows that the script did not finish.
            let _ = ledger::fail(connection, &id, &failure.log(migration.name)).await;
            Err(MigrateError::Script {
                name: migration.name.to_owned(),
                sqlstate: failure.sqlstate,
                message: failure.message,
            })
        }
    }
}

async fn run(connection: &mut PgConnection, migration: &Migration<'_>) -> Result<(), sqlx::Error> {
    let mut tries = 1;
    loop {
        // One simple-query message: an implicit transaction, or a single statement outside of any.
        let error = match sqlx::raw_sql(migration.sql).execute(&mut *connection).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let passing = error.as_database_error().and_then(|error| error.code());
        if tries >= TRIES || !passing.is_some_and(|state| PASSING.contains(&state.as_ref())) {
            return Err(error);
        }
        tracing::warn!(
            event = "migration_retried",
            migration = migration.name,
            tries,
            "lock conflict; will retry: {error}"
        );
        drop_leftover(connection, migration).await.map_err(|_| error)?;
        tokio::time::sleep(PAUSE).await;
        tries += 1;
    }
}

/// Drops the invalid index that a failed `CREATE INDEX CONCURRENTLY` has left. It would block the next
/// attempt.
pub(super) async fn drop_leftover(
    connection: &mut PgConnection,
    migration: &Migration<'_>,
) -> Result<(), MigrateError> {
    let Some(index) = migration.concurrent_index() else {
        return Ok(());
    };
    let left: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                        WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace AND NOT i.indisvalid)",
    )
    .bind(index)
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| unreachable(&error))?;
    if left {
        // The name comes from a script in this binary.
        let drop = sqlx::AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS \"{index}\""));
        sqlx::raw_sql(drop).execute(connection).await.map_err(|error| unreachable(&error))?;
    }
    Ok(())
}

/// Limits the session's waits for locks.
pub(super) async fn wait_at_most(connection: &mut PgConnection, wait: &str) -> Result<(), MigrateError> {
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(wait)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| unreachable(&error))
}

/// The server's error for a script.
pub(super) struct Failure {
    pub(super) sqlstate: Option<String>,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(error: &sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(error) => {
                Self { sqlstate: error.code().map(Into::into), message: error.message().to_owned() }
            }
            None => Self { sqlstate: None, message: unreachable(error).to_string() },
        }
    }

    /// The text for the column `logs`, in Prisma's words.
    fn log(&self, name: &str) -> String {
        let state = self.sqlstate.as_deref().unwrap_or("(none)");
        let message = &self.message;
        format!(
            "A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read \
             more about how to resolve migration issues in a production database: \
             https://pris.ly/d/migrate-resolve\n\nMigration name: {name}\n\nDatabase error code: {state}\n\nDatabase \
             error:\nERROR: {message}\n"
        )
    }
}
