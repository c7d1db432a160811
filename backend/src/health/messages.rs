//! Descriptions of failures that may be shown to the public.

use crate::config::Environment;
use storage::{StorageError, StorageErrorKind};

/// Describes a failure of the database. The health of a deployment is public, so it names only the kind, and
/// the log has the rest.
pub(super) fn database_error(error: &StorageError, environment: Environment) -> String {
    if environment == Environment::Development {
        return error.message.clone();
    }
    match error.kind {
        StorageErrorKind::Schema => "a table, a column or a permission is missing",
        StorageErrorKind::Indeterminate => "the database does not answer in time",
        _ => "the database cannot be reached",
    }
    .to_owned()
}

/// Describes a failed file write. A deployment shows the cause without the path.
pub(super) fn file_error(message: &str, environment: Environment) -> String {
    if environment == Environment::Development {
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
    fn production_shows_kind_and_cause_without_location() {
        let error = StorageError::new(StorageErrorKind::Unavailable, "connect to db.internal:5432: refused");
        assert_eq!(database_error(&error, Environment::Production), "the database cannot be reached");
        assert!(database_error(&error, Environment::Development).contains("db.internal"));
        let message = "/app/data/test-outputs/r1/run.json: No space left on device (os error 28)";
        assert_eq!(
            file_error(message, Environment::Production),
            "a file could not be written: No space left on device (os error 28)"
        );
        assert_eq!(file_error("/app/x: a/b", Environment::Staging), "a file could not be written");
        assert_eq!(file_error(message, Environment::Development), message);
    }
}
