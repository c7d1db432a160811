//! The errors of a store. Their kinds tell the caller how to continue.

use pipeline::store::{StoreDisposition, StoreError};

/// The error of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    pub kind: StorageErrorKind,
    /// A sentence for operators: the location and the cause, never a credential or a host.
    pub message: String,
    /// The database's five characters for the cause, if the database itself reported it.
    sqlstate: Option<Box<str>>,
}

/// The kind of an error, which tells the caller how to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// Nothing was written. The same call may succeed later.
    Unavailable,
    /// Nothing was written, because too many callers wait for a store that works. The same call may succeed later.
    Busy,
    /// No answer arrived in time, so the write may have happened or may still happen. Only an idempotent or
    /// fenced call may be repeated.
    Indeterminate,
    /// A table, a column or a permission is missing. A retry helps only after a migration.
    Schema,
    /// Another worker owns the run, or it has ended.
    Fenced,
    /// A different record is stored. Both are kept.
    Conflict,
    /// This store does not hold the run.
    NotFound,
    /// The store holds a value that this version does not know, for example a status word of a newer version.
    Unreadable,
    /// The store rejects the call, now and later.
    Invalid,
    /// Another process changed the run at the same time, and nothing was written. Repeat the whole operation.
    CasConflict,
}

impl StorageError {
    #[must_use]
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), sqlstate: None }
    }

    /// Names the SQLSTATE of the cause.
    #[must_use]
    pub fn with_sqlstate(self, sqlstate: &str) -> Self {
        Self { sqlstate: Some(sqlstate.into()), ..self }
    }

    /// The SQLSTATE of the cause, if the database reported one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.sqlstate.as_deref()
    }

    /// Whether the store did not take the call, so that another store or a later call may.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(
            self.kind,
            StorageErrorKind::Unavailable
                | StorageErrorKind::Busy
                | StorageErrorKind::Indeterminate
                | StorageErrorKind::Schema
                | StorageErrorKind::CasConflict
        )
    }
}

impl StorageError {
    /// Whether the error says that the store is down. The breaker counts these errors.
    #[must_use]
    pub fn is_failure_of_the_store(&self) -> bool {
        self.is_outage() && self.kind != StorageErrorKind::Busy
    }
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        let disposition = if error.is_outage() { StoreDisposition::Retry } else { StoreDisposition::Fail };
        Self { message: error.message, disposition }
    }
}
