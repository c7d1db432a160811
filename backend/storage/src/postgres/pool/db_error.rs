//! What an error of the driver means for whoever called, in words that hold no host, user or password.

use std::time::Duration;

use pipeline::run::RunId;

use crate::error::{StorageError, StorageErrorKind};
use crate::postgres::pool::address::describe_tls;

/// What the work would have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Access {
    Read,
    /// Without an answer it may have been written.
    Write,
}

/// Why a piece of work was not done.
#[derive(Debug)]
pub(in crate::postgres) enum DbError {
    Driver(sqlx::Error),
    /// Not done within this time.
    Elapsed(Duration),
    /// The database works, and the answer is no.
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
    /// Whether the connection is in the middle of nothing, and knows the schema as it is now.
    pub(in crate::postgres) fn leaves_the_connection_usable(&self) -> bool {
        match self {
            Self::Store(_) | Self::Driver(sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. }) => {
                true
            }
            // A plan that was made for another schema, or a statement that the other side no longer knows.
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
        // A column of another type than ours, or none.
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

/// What a SQLSTATE means to us.
fn kind_of(code: &str) -> StorageErrorKind {
    match code {
        // Tables, columns, functions, types, schemas, unique keys and permissions that are not (or no longer) there.
        "42P01" | "42703" | "42704" | "42883" | "42804" | "42P10" | "42501" | "3F000" => {
            StorageErrorKind::Schema
        }
        // Plans and prepared statements that a change or a pooler has made void: the next connection has new ones.
        "0A000" | "26000" | "42P05" => StorageErrorKind::Unavailable,
        // Log-in refused, no such database, read-only, deadlock and serialization, lock and statement timeouts.
        "3D000" | "25006" | "55P03" | "57014" | "40001" | "40P01" => StorageErrorKind::Unavailable,
        _ => match code.get(..2) {
            // Connection, log-in, resources, operator's intervention, system, defect.
            Some("08" | "28" | "53" | "57" | "58" | "XX") => StorageErrorKind::Unavailable,
            _ => StorageErrorKind::Invalid,
        },
    }
}

/// The server's sentence, except where it names a user, a host or a database.
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

/// The run is somebody else's now, or has ended.
pub(in crate::postgres) fn fenced(run: &RunId) -> DbError {
    let what = format!("run {run} has been taken by somebody else, or has ended");
    DbError::Store(StorageError::new(StorageErrorKind::Fenced, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: std::io::ErrorKind) -> DbError {
        DbError::Driver(sqlx::Error::Io(std::io::Error::new(kind, "to 10.1.2.3:5432")))
    }

    #[test]
    fn a_write_without_an_answer_may_have_been_written() {
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
    fn states_are_told_apart() {
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
    fn a_refused_log_in_names_nobody() {
        let said = sentence("28P01", "password authentication failed for user \"inno\"");
        assert!(!said.contains("inno"), "{said}");
        let said = sentence("42703", "column \"stage1Output\" does not exist");
        assert_eq!(said, "column \"stage1Output\" does not exist (SQLSTATE 42703)");
    }
}
