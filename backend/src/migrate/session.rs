//! One separate connection to the database, and Prisma's lock on it.

use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use super::error::MigrateError;
use storage::postgres::address::{Address, describe_tls};

/// Prisma's key. Both tools hold this lock while they migrate the database.
const LOCK_KEY: i64 = 72_707_369;

/// How long to wait for the lock, as in Prisma.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The interval of attempts at the lock.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// A server that drops packets must not block a deployment for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the connection, in the schema that the address names.
pub(super) async fn open(address: &Address) -> Result<PgConnection, MigrateError> {
    let options = address.options.clone().application_name("innovation migrate");
    let mut connection = tokio::time::timeout(CONNECT_TIMEOUT, options.connect())
        .await
        .map_err(|_| MigrateError::Unreachable {
            what: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        })?
        .map_err(|error| unreachable(&error))?;
    // A role's statement timeout is meant for a service, but an index build takes as long as it needs.
    let settings = "SELECT set_config('search_path', quote_ident($1), false), set_config('statement_timeout', '0', false)";
    sqlx::query(settings)
        .bind(&address.schema)
        .execute(&mut connection)
        .await
        .map_err(|error| unreachable(&error))?;
    Ok(connection)
}

/// Creates the address's schema if it does not exist, as Prisma does.
pub(super) async fn ensure_schema(connection: &mut PgConnection, schema: &str) -> Result<(), MigrateError> {
    let create: Option<String> = sqlx::query_scalar(
        "SELECT format('CREATE SCHEMA IF NOT EXISTS %I', $1) WHERE to_regnamespace(quote_ident($1)) IS NULL",
    )
    .bind(schema)
    .fetch_optional(&mut *connection)
    .await
    .map_err(|error| unreachable(&error))?;
    if let Some(create) = create {
        // The server has quoted the name.
        sqlx::raw_sql(sqlx::AssertSqlSafe(create))
            .execute(connection)
            .await
            .map_err(|error| unreachable(&error))?;
    }
    Ok(())
}

/// Takes Prisma's lock. Closing the connection releases it.
///
/// Prisma waits inside `pg_advisory_lock`. This function polls instead, because a waiting statement keeps a
/// snapshot. `CREATE INDEX CONCURRENTLY` of the lock's holder waits for snapshots, so the two would deadlock.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let looking = async {
        loop {
            let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(LOCK_KEY)
                .fetch_one(&mut *connection)
                .await
                .map_err(|error| unreachable(&error))?;
            if taken {
                return Ok(());
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    };
    tokio::time::timeout(LOCK_WAIT, looking)
        .await
        .unwrap_or(Err(MigrateError::Locked { seconds: LOCK_WAIT.as_secs() }))
}

/// Closes the connection properly, so that the server does not log a lost one. A failure is harmless.
pub(super) async fn close(connection: PgConnection) {
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
}

/// Describes an error without address and user.
pub(super) fn unreachable(error: &sqlx::Error) -> MigrateError {
    if let Some(what) = describe_tls(error) {
        return MigrateError::Unreachable { what: what.to_owned() };
    }
    let what = match error {
        sqlx::Error::Io(error) => format!("the connection failed ({})", error.kind()),
        sqlx::Error::Configuration(_) => "the address is malformed".to_owned(),
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01") => "the server refused the user or the password".to_owned(),
            Some("28000") => {
                "the server requires another way of login for this user (pg_hba.conf): TLS (sslmode), a \
                              client's certificate (sslcert with sslkey, or sslidentity), or not at all"
                    .to_owned()
            }
            Some("3D000") => "the server has no database of that name".to_owned(),
            Some("42501") => "the user lacks a permission".to_owned(),
            code => format!("{} (SQLSTATE {})", error.message(), code.unwrap_or("unknown")),
        },
        _ => "the connection broke".to_owned(),
    };
    MigrateError::Unreachable { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_does_not_name_the_user() {
        let error =
            unreachable(&sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
        assert_eq!(
            error.to_string(),
            "the database could not be queried: the connection failed (connection refused)"
        );
    }
}
