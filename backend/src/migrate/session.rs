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
    match error {
        sqlx::Error::Io(error) => {
            let errno = error.raw_os_error().map(|errno| format!(", errno {errno}")).unwrap_or_default();
            MigrateError::Unreachable { what: format!("the connection failed ({}{errno})", error.kind()) }
        }
        sqlx::Error::Configuration(_) => {
            MigrateError::Unreachable { what: "the address is malformed".to_owned() }
        }
        sqlx::Error::Database(error) => {
            refused(error.code().as_deref().unwrap_or("unknown"), error.message())
        }
        _ => MigrateError::Unreachable { what: "the connection broke".to_owned() },
    }
}

/// Describes the answer of a server that was reached, with Prisma's code for it. A refused login names no user.
fn refused(sqlstate: &str, message: &str) -> MigrateError {
    let (code, what) = match sqlstate {
        "28P01" => ("P1000", "the user or the password is not accepted"),
        "28000" => (
            "P1010",
            "this user needs another way of login (pg_hba.conf): TLS (sslmode), a client's certificate (sslcert with \
             sslkey, or sslidentity), or may not log in at all",
        ),
        "3D000" => ("P1003", "the server has no database of that name"),
        "42501" => ("P1010", message),
        _ => ("REFUSED", message),
    };
    MigrateError::Refused { code, what: format!("{what} (SQLSTATE {sqlstate})") }
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
            "the database cannot be reached: the connection failed (connection refused)"
        );
        let refused = refused("28P01", "password authentication failed for user \"inno\"");
        assert!(refused.code() == "P1000" && !refused.to_string().contains("inno"), "{refused}");
        assert_eq!(
            super::refused("57014", "canceled").code(),
            "REFUSED",
            "a server that answers was reached"
        );
    }
}
