//! The errors of a store. Their kinds tell the caller how to continue.

use pipeline::store::{StoreDisposition, StoreError};

/// The error of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    pub kind: StorageErrorKind,
    /// A sentence for operators: the location and the cause, never a credential or a host.
    pub message: String,
}

/// The kind of an error, which tells the caller how to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// Nothing was written. The same call may succeed later.
    Unavailable,
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
    /// The store rejects the call, now and later.
    Invalid,
    /// Another process changed the run at the same time, and nothing was written. Repeat the whole operation.
    CasConflict,
}

impl StorageError {
    #[must_use]
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether the store itself failed. The breaker counts these errors.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(
            self.kind,
            StorageErrorKind::Unavailable
                | StorageErrorKind::Indeterminate
                | StorageErrorKind::Schema
                | StorageErrorKind::CasConflict
        )
    }
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        let disposition = if error.is_outage() { StoreDisposition::Retry } else { StoreDisposition::Fail };
        Self { message: error.message, disposition }
    }
}
