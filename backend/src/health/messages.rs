//! Descriptions of failures that may be shown to the public.

use crate::config::Environment;
use storage::{StorageError, StorageErrorKind};

/// The reader of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Anybody: the health of a deployment needs no key.
    Public,
    /// A developer at their own machine, or an operator with a key.
    Operator,
}

impl Audience {
    /// The reader of an answer that needs no key.
    pub(super) fn without_key(environment: Environment) -> Self {
        if environment == Environment::Development { Self::Operator } else { Self::Public }
    }
}

/// Describes a failure of the database. The public learns the kind and the SQLSTATE. The log and an operator have
/// the rest: table, column and errno.
pub(super) fn database_error(error: &StorageError, audience: Audience) -> String {
    if audience == Audience::Operator {
        return error.message.clone();
    }
    let sqlstate = error.sqlstate().unwrap_or_default();
    let what = match (error.kind, sqlstate) {
        (StorageErrorKind::Schema, _) => "a table, a column or a permission is missing",
        (StorageErrorKind::Unreadable, _) => "a row has a value that this version does not know",
        (_, "25006") => "the database is read-only",
        (_, "53100") => "the database's disk is full",
        (StorageErrorKind::Busy, _) | (_, "53300") => "the database admits no further connection",
        (_, "55P03" | "57014" | "40P01" | "40001") => "the database does not get a lock or an answer in time",
        (_, "57P03") => "the database starts or recovers",
        (_, "57P01" | "57P02") => "the database shuts down",
        (_, "3D000") => "the server has no such database",
        (_, sqlstate) if sqlstate.starts_with("28") => "the server refuses the user or the password",
        (_, sqlstate) if !sqlstate.is_empty() => "the database refuses the call",
        (StorageErrorKind::Indeterminate, _) => "the database does not answer in time",
        _ => "the database cannot be reached",
    };
    if sqlstate.is_empty() { what.to_owned() } else { format!("{what} (SQLSTATE {sqlstate})") }
}

/// Describes a failed file write. The public learns the cause without the path.
pub(super) fn file_error(message: &str, audience: Audience) -> String {
    if audience == Audience::Operator {
        return message.to_owned();
    }
    match message.rsplit_once(": ") {
        Some((_, cause)) if !cause.contains('/') => format!("a file could not be written: {cause}"),
        _ => "a file could not be written".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_learns_cause_without_location() {
        let error = StorageError::new(StorageErrorKind::Unavailable, "connect to db.internal:5432: refused");
        assert_eq!(database_error(&error, Audience::Public), "the database cannot be reached");
        assert!(database_error(&error, Audience::Operator).contains("db.internal"));
        let message = "/app/data/test-outputs/r1/run.json: No space left on device (os error 28)";
        assert_eq!(
            file_error(message, Audience::Public),
            "a file could not be written: No space left on device (os error 28)"
        );
        assert_eq!(file_error("/app/x: a/b", Audience::Public), "a file could not be written");
        assert_eq!(file_error(message, Audience::Operator), message);
    }

    #[test]
    fn an_answering_server_is_not_called_unreachable() {
        for code in ["25006", "53100", "53300", "55P03", "57P01", "28P01", "3D000", "XX000"] {
            let error = StorageError::new(StorageErrorKind::Unavailable, "no").with_sqlstate(code);
            let told = database_error(&error, Audience::Public);
            assert!(told.contains(code) && !told.contains("cannot be reached"), "{told}");
        }
    }
}
