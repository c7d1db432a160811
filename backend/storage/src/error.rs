//! Why a store could not do its work, and what the caller may do next.

use pipeline::store::{StoreDisposition, StoreError};

/// Why a store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    pub kind: StorageErrorKind,
    /// A sentence for operators: the place and the cause, never a credential or a host.
    pub message: String,
}

/// What a failed call means for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// Nothing was written; the same call may work later.
    Unavailable,
    /// No answer came in time: it may have been written, or may still be. Only an idempotent or fenced call may be
    /// made again.
    Indeterminate,
    /// A table, a column or a permission is missing. Trying again helps only after a migration.
    Schema,
    /// Somebody else has the run now, or has ended it.
    Fenced,
    /// Another record is there already; both are kept.
    Conflict,
    /// This store does not know the run.
    NotFound,
    /// The call makes no sense to this store, now or later.
    Invalid,
    /// Somebody else changed the run at the same time, and nothing was written: to be done again from its beginning.
    CasConflict,
}

impl StorageError {
    #[must_use]
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether the store itself is at fault, which is what its breaker counts.
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
