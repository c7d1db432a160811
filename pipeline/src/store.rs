//! The seam to storage: what the stage loop needs of it, and no more.

use async_trait::async_trait;

use crate::{record::StageRecord, run::Stage};

/// Why storage could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// A sentence for people that names the place (path, and errno where there is one).
    pub message: String,
    pub disposition: StoreDisposition,
}

/// What the caller should do about a failed storage call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreDisposition {
    /// The same call may work later.
    Retry,
    /// Nothing changes by trying again: a conflict, or a place that is not ours.
    Fail,
}

/// The circumstances of a write, which the store knows and stamps into the records' `meta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteMode {
    /// The storage mode in force.
    pub mode: String,
    /// The revision of the flags that say so.
    pub flags_revision: u64,
}

/// Where one run keeps what it has earned.
#[async_trait]
pub trait RunStore: Send + Sync + std::fmt::Debug {
    /// The records that are stored and whose digests match, at most one a stage; a damaged one counts as missing.
    async fn load_stages(&self) -> Result<Vec<StageRecord>, StoreError>;

    /// Waits until a stage may begin: nothing is paid for that somebody else may be paying for too.
    async fn await_lease(&self, _stage: Stage) -> Result<(), StoreError> {
        Ok(())
    }

    /// How a record made now would be written.
    fn write_mode(&self) -> WriteMode;

    /// Stores a stage durably and returns the record as it is stored (its mode may have changed meanwhile). When it
    /// returns, a crash can no longer lose the record. An equal record that is already there is success; a different
    /// one is a conflict.
    async fn store_stage(&self, record: StageRecord) -> Result<StageRecord, StoreError>;
}
