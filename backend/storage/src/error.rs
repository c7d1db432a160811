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
    /// Whether only the tables of the control plane lack something.
    is_of_control_plane: bool,
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

impl StorageErrorKind {
    /// The kind's name in metrics and traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
            Self::Indeterminate => "indeterminate",
            Self::Schema => "schema",
            Self::Fenced => "fenced",
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
            Self::CasConflict => "cas_conflict",
        }
    }
}

impl StorageError {
    #[must_use]
    pub fn new(kind: StorageErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), sqlstate: None, is_of_control_plane: false }
    }

    /// Names the SQLSTATE of the cause.
    #[must_use]
    pub fn with_sqlstate(self, sqlstate: &str) -> Self {
        Self { sqlstate: Some(sqlstate.into()), ..self }
    }

    /// Says that only a table of the control plane lacks something. Those of the runs work.
    #[must_use]
    pub fn of_control_plane(self) -> Self {
        Self { is_of_control_plane: true, ..self }
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
    /// Whether somebody else's lock has ended the statement, or a deadlock with them. It says nothing about the server.
    pub(crate) fn is_of_a_lock(&self) -> bool {
        self.sqlstate().is_some_and(|code| ["55P03", "40P01", "40001"].contains(&code))
    }

    /// Whether the error says that the store is down. The breaker counts these errors. An audit record that is refused stops
    /// its change, and no run.
    #[must_use]
    pub fn is_failure_of_the_store(&self) -> bool {
        self.is_outage() && self.kind != StorageErrorKind::Busy && !self.is_of_control_plane
    }
}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        let disposition = if error.is_outage() { StoreDisposition::Retry } else { StoreDisposition::Fail };
        Self { message: error.message, disposition }
    }
}
