//! Runs one script, each step its own commit, as Prisma does.

use std::time::Duration;

use pipeline::clock::Clock;
use sqlx::PgConnection;

use super::{MigrateError, Migration, ledger, session::unreachable};

/// A service may be running: its statements queue behind one that waits for a table, so no wait is long.
pub(super) const TABLE_WAIT: &str = "3s";

/// How often a script is tried that lost to others' locks: it was undone as a whole, so trying again is safe.
const TRIES: usize = 10;

/// Between two tries, for the service to write what it has waiting.
const PAUSE: Duration = Duration::from_millis(500);

/// SQLSTATEs of what passes by itself: a deadlock, and a lock that was not to be had in time.
const PASSING: [&str; 2] = ["40P01", "55P03"];

/// Runs a migration and records it.
pub(super) async fn apply(
    connection: &mut PgConnection,
    migration: &Migration<'_>,
    clock: &dyn Clock,
) -> Result<(), MigrateError> {
    // An index that is built concurrently waits for all older transactions by its nature, and blocks nobody.
    let wait = if migration.concurrent_index().is_some() { "0" } else { TABLE_WAIT };
    wait_at_most(connection, wait).await?;
    let id = ledger::begin(connection, migration.name, &migration.checksum(), clock.now()).await?;
    match run(connection, migration).await {
        Ok(()) => ledger::finish(connection, &id, clock.now()).await,
        Err(error) => {
            let failure = Failure::new(&error);
            // Best effort: without it the row still says that the script did not finish.
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
        // One simple-query message: an implicit transaction, or a lone statement outside of any.
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
            "lost to another's lock, trying again: {error}"
        );
        drop_leftover(connection, migration).await.map_err(|_| error)?;
        tokio::time::sleep(PAUSE).await;
        tries += 1;
    }
}

/// Drops what a failed `CREATE INDEX CONCURRENTLY` has left: an index that is not valid, and in the next one's way.
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
        // The name stands in a script of ours.
        let drop = sqlx::AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS \"{index}\""));
        sqlx::raw_sql(drop).execute(connection).await.map_err(|error| unreachable(&error))?;
    }
    Ok(())
}

/// Bounds the session's waits for locks.
pub(super) async fn wait_at_most(connection: &mut PgConnection, wait: &str) -> Result<(), MigrateError> {
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(wait)
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| unreachable(&error))
}

/// What the server said of a script.
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

    /// For the column `logs`, in Prisma's words.
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
