//! The result of one pass.

use std::borrow::Cow;

use storage::StorageError;

/// How a pass ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With this result, in words for people.
    Done(Cow<'static, str>),
    /// There was a reason to do nothing. An outage before it may last.
    Skipped(&'static str),
    /// As `Done`; no further pass is needed.
    Finished(&'static str),
}

impl Outcome {
    /// A result that counts something.
    #[must_use]
    pub fn done(result: impl Into<Cow<'static, str>>) -> Self {
        Self::Done(result.into())
    }
}

/// Why a pass did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TaskError(pub String);

impl From<StorageError> for TaskError {
    fn from(error: StorageError) -> Self {
        Self(error.to_string())
    }
}
