//! Maps driver errors to storage errors. Their texts hold no host, user or password.

use std::time::Duration;

use pipeline::run::RunId;

use crate::error::{StorageError, StorageErrorKind};
use crate::postgres::pool::address::describe_tls;

/// The tables of the control plane that statements about runs write too.
const CONTROL_PLANE_TABLES: [&str; 2] = ["AuditRecord", "Batch"];

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
    /// No connection could be made in time.
    Unanswered,
    /// All connections are in use. They work, and are returned.
    Busy,
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

/// The consequence of a fault for the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Verdict {
    /// The connection is idle again, and its plans match the current schema.
    Usable,
    /// This connection is of no more use.
    Spent,
    /// This connection and all that are as old are of no more use: the server is read-only, shuts down or is gone.
    Outdated,
    /// As `Spent`. A pooler gives each transaction another server process.
    Pooler,
}

impl DbError {
    pub(in crate::postgres) fn verdict(&self) -> Verdict {
        match self {
            Self::Store(error) if error.sqlstate() == Some("25006") => Verdict::Outdated,
            Self::Store(_) | Self::Driver(sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. }) => {
                Verdict::Usable
            }
            Self::Driver(sqlx::Error::Database(error)) => match &*error.code().unwrap_or_default() {
                // The server has become a standby, or shuts down.
                "25006" | "57P01" | "57P02" | "57P03" => Verdict::Outdated,
                // The prepared statement is unknown there, or already exists there.
                "26000" | "42P05" => Verdict::Pooler,
                // The plan belongs to an older schema, or the session is over.
                code if code == "0A000" || code.starts_with("57P") || code.starts_with("08") => {
                    Verdict::Spent
                }
                _ => Verdict::Usable,
            },
            Self::Driver(sqlx::Error::Io(_)) => Verdict::Outdated,
            Self::Driver(_) | Self::Elapsed(_) | Self::Unanswered | Self::Busy => Verdict::Spent,
        }
    }

    /// Whether the server admits no further connection, of this role or at all.
    pub(in crate::postgres) fn is_connection_limit(&self) -> bool {
        self.has_sqlstate(&["53300"])
    }

    /// Whether the next attempt to connect may succeed: the server is full, starts, or restarts.
    pub(in crate::postgres) fn may_pass(&self) -> bool {
        match self {
            Self::Driver(sqlx::Error::Io(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            _ => self.has_sqlstate(&["53300", "57P03"]),
        }
    }

    fn has_sqlstate(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Driver(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| codes.contains(&&*code)))
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
            Self::Unanswered => StorageError::new(
                StorageErrorKind::Unavailable,
                "no connection to the database in time: it does not answer",
            ),
            Self::Busy => StorageError::new(
                StorageErrorKind::Busy,
                "no connection to the database in time: all that the pool and the server admit are in use; see \
                 DATABASE_POOL_SIZE and the limits of the server and the role",
            ),
            Self::Driver(error) => from_driver(&error, unanswered),
        }
    }
}

fn from_driver(error: &sqlx::Error, unanswered: StorageErrorKind) -> StorageError {
    if let Some(what) = describe_tls(error) {
        return StorageError::new(StorageErrorKind::Unavailable, what);
    }
    match error {
        sqlx::Error::Database(error) => from_server(error.as_ref()),
        sqlx::Error::PoolClosed => {
            StorageError::new(StorageErrorKind::Unavailable, "the connections to the database are closed")
        }
        sqlx::Error::Io(error) => {
            let errno = error.raw_os_error().map(|errno| format!(", errno {errno}")).unwrap_or_default();
            StorageError::new(
                unanswered,
                format!("the connection to the database broke ({}{errno})", error.kind()),
            )
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

/// The error that the server reports, with the table and the column that it names.
fn from_server(error: &dyn sqlx::error::DatabaseError) -> StorageError {
    let code = error.code().unwrap_or_default();
    let mut message = sentence(&code, error.message());
    let mut schema = None;
    if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        schema = error.schema();
        for (what, name) in [("table", error.table()), ("column", error.column())] {
            // Most messages name both already.
            if let Some(name) = name.filter(|name| !message.contains(*name)) {
                message = format!("{message}, {what} {name}");
            }
        }
    }
    let kind = kind_of(&code);
    let is_of_control_plane = kind == StorageErrorKind::Schema && is_of_control_plane(schema, &message);
    let error = StorageError::new(kind, message).with_sqlstate(&code);
    if is_of_control_plane { error.of_control_plane() } else { error }
}

/// Whether an object of the schema `innovation` is missing or refused. PostgreSQL names the schema of a violated constraint in a
/// field, and that of a missing table in its message. A refused permission names the bare table.
fn is_of_control_plane(schema: Option<&str>, message: &str) -> bool {
    schema == Some("innovation")
        || message.contains("\"innovation.")
        || message.contains("schema innovation")
        || message.contains("schema \"innovation\"")
        || CONTROL_PLANE_TABLES.iter().any(|table| message.contains(&format!("for table {table}")))
}

/// Maps a SQLSTATE to a kind of error.
fn kind_of(code: &str) -> StorageErrorKind {
    match code {
        // A table, column, function, type, schema, unique key or permission is missing, or a column that this
        // version does not know wants a value.
        "42P01" | "42703" | "42704" | "42883" | "42804" | "42P10" | "42501" | "3F000" | "23502" => {
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
        "42703" => format!("{} (SQLSTATE 42703)", without_alias(message)),
        code => format!("{message} (SQLSTATE {code})"),
    }
}

/// The server's message about a missing column, by the column's own name. The server names it by the statement's alias, without
/// quotes: `column r.stage1Output does not exist`.
fn without_alias(message: &str) -> String {
    let names = message.strip_prefix("column ").and_then(|rest| rest.strip_suffix(" does not exist"));
    match names.and_then(|names| names.split_once('.')) {
        Some((_, column)) => format!("column \"{}\" does not exist", column.trim_matches('"')),
        None => message.to_owned(),
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
        assert_eq!(DbError::Unanswered.during(Access::Write).kind, StorageErrorKind::Unavailable);
        assert_eq!(DbError::Busy.during(Access::Write).kind, StorageErrorKind::Busy);
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
        assert_eq!(sentence("42703", "column r.stage1Output does not exist"), said);
    }
}
