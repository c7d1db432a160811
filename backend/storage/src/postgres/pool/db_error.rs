//! Maps driver errors to storage errors. Their texts hold no host, user or password.

use std::time::Duration;

use pipeline::run::RunId;

use crate::error::{StorageError, StorageErrorKind};
use crate::postgres::pool::address::describe_tls;

/// Whether a piece of work reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Access {
    Read,
    /// Without an answer, the write may have happened.
    Write,
}

/// Why a piece of work failed.
#[derive(Debug)]
pub(in crate::postgres) enum DbError {
    Driver(sqlx::Error),
    /// It exceeded this time limit.
    Elapsed(Duration),
    /// The database answered with a refusal.
    Store(StorageError),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StorageError> for DbError {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

impl DbError {
    /// Whether the connection is idle again, and its plans match the current schema.
    pub(in crate::postgres) fn leaves_the_connection_usable(&self) -> bool {
        match self {
            Self::Store(_) | Self::Driver(sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. }) => {
                true
            }
            // The plan belongs to an older schema, or the server no longer knows the statement.
            Self::Driver(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                !matches!(&*code, "0A000" | "26000" | "42P05")
                    && !code.starts_with("57P")
                    && !code.starts_with("08")
            }
            Self::Driver(_) | Self::Elapsed(_) => false,
        }
    }

    /// The error of a call that had no connection yet.
    pub(in crate::postgres) fn before_it_was_sent(self) -> StorageError {
        self.during(Access::Read)
    }

    /// The error of a call whose statement may have been sent.
    pub(in crate::postgres) fn during(self, access: Access) -> StorageError {
        let unanswered = match access {
            Access::Read => StorageErrorKind::Unavailable,
            Access::Write => StorageErrorKind::Indeterminate,
        };
        match self {
            Self::Store(error) => error,
            Self::Elapsed(within) => {
                StorageError::new(unanswered, format!("no answer from the database within {within:?}"))
            }
            Self::Driver(error) => from_driver(&error, unanswered),
        }
    }
}

fn from_driver(error: &sqlx::Error, unanswered: StorageErrorKind) -> StorageError {
    if let Some(what) = describe_tls(error) {
        return StorageError::new(StorageErrorKind::Unavailable, what);
    }
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            StorageError::new(kind_of(&code), sentence(&code, error.message()))
        }
        sqlx::Error::PoolTimedOut => StorageError::new(
            StorageErrorKind::Unavailable,
            "no connection to the database in time: it refuses, does not answer, or all connections are in use",
        ),
        sqlx::Error::PoolClosed => {
            StorageError::new(StorageErrorKind::Unavailable, "the connections to the database are closed")
        }
        sqlx::Error::Io(error) => {
            StorageError::new(unanswered, format!("the connection to the database broke ({})", error.kind()))
        }
        sqlx::Error::Configuration(_) => {
            StorageError::new(StorageErrorKind::Unavailable, "the database's address is malformed")
        }
        // The column is absent, or has another type than this version expects.
        sqlx::Error::ColumnDecode { index, .. } | sqlx::Error::ColumnNotFound(index) => StorageError::new(
            StorageErrorKind::Schema,
            format!("column {index} of the database's answer has another type than this version knows"),
        ),
        sqlx::Error::TypeNotFound { type_name } => {
            StorageError::new(StorageErrorKind::Schema, format!("type \"{type_name}\" does not exist"))
        }
        _ => StorageError::new(unanswered, "the connection to the database broke in the middle of an answer"),
    }
}

/// Maps a SQLSTATE to a kind of error.
fn kind_of(code: &str) -> StorageErrorKind {
    match code {
        // A table, column, function, type, schema, unique key or permission is missing.
        "42P01" | "42703" | "42704" | "42883" | "42804" | "42P10" | "42501" | "3F000" => {
            StorageErrorKind::Schema
        }
        // A schema change or a pooler has invalidated a plan or prepared statement. The next connection
        // prepares new ones.
        "0A000" | "26000" | "42P05" => StorageErrorKind::Unavailable,
        // Login refused, unknown database, read-only server, deadlock, serialization failure, lock timeout or
        // statement timeout.
        "3D000" | "25006" | "55P03" | "57014" | "40001" | "40P01" => StorageErrorKind::Unavailable,
        _ => match code.get(..2) {
            // Connection, login, resources, operator intervention, system error or internal error.
            Some("08" | "28" | "53" | "57" | "58" | "XX") => StorageErrorKind::Unavailable,
            _ => StorageErrorKind::Invalid,
        },
    }
}

/// The server's message, unless it names a user, a host or a database.
fn sentence(code: &str, message: &str) -> String {
    match code {
        "3D000" => "the server has no database of that name (SQLSTATE 3D000)".to_owned(),
        code if code.starts_with("28") => {
            format!("the server refused the user or the password (SQLSTATE {code})")
        }
        code if code.starts_with("08") => format!("the server broke the connection (SQLSTATE {code})"),
        code => format!("{message} (SQLSTATE {code})"),
    }
}

/// The error if another worker owns the run, or if it has ended.
pub(in crate::postgres) fn fenced(run: &RunId) -> DbError {
    let what = format!("run {run} has been taken by another worker, or has ended");
    DbError::Store(StorageError::new(StorageErrorKind::Fenced, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: std::io::ErrorKind) -> DbError {
        DbError::Driver(sqlx::Error::Io(std::io::Error::new(kind, "to 10.1.2.3:5432")))
    }

    #[test]
    fn a_write_without_an_answer_is_indeterminate() {
        let reset = || io(std::io::ErrorKind::ConnectionReset);
        assert_eq!(reset().during(Access::Write).kind, StorageErrorKind::Indeterminate);
        assert_eq!(reset().during(Access::Read).kind, StorageErrorKind::Unavailable);
        assert_eq!(reset().before_it_was_sent().kind, StorageErrorKind::Unavailable);
        assert_eq!(
            DbError::Elapsed(Duration::from_secs(2)).during(Access::Write).kind,
            StorageErrorKind::Indeterminate
        );
        assert_eq!(
            DbError::Driver(sqlx::Error::PoolTimedOut).during(Access::Write).kind,
            StorageErrorKind::Unavailable
        );
        assert!(!reset().during(Access::Write).message.contains("10.1"));
    }

    #[test]
    fn sql_states_are_classified() {
        for (code, kind) in [
            ("42703", StorageErrorKind::Schema),
            ("42501", StorageErrorKind::Schema),
            ("57014", StorageErrorKind::Unavailable),
            ("57P01", StorageErrorKind::Unavailable),
            ("53300", StorageErrorKind::Unavailable),
            ("25006", StorageErrorKind::Unavailable),
            ("23505", StorageErrorKind::Invalid),
            ("22P05", StorageErrorKind::Invalid),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }

    #[test]
    fn a_refused_login_names_no_user() {
        let said = sentence("28P01", "password authentication failed for user \"inno\"");
        assert!(!said.contains("inno"), "{said}");
        let said = sentence("42703", "column \"stage1Output\" does not exist");
        assert_eq!(said, "column \"stage1Output\" does not exist (SQLSTATE 42703)");
    }
}
