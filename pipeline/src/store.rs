//! The seam to storage. It has only the calls that the stage loop makes.

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

/// The next step after a failed storage call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreDisposition {
    /// The same call may work later.
    Retry,
    /// Nothing changes by trying again: a conflict, or a place that is not ours.
    Fail,
}

/// The mode of a write. The store writes it into the `meta` of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteMode {
    /// The storage mode in force.
    pub mode: String,
    /// The revision of the database's flags that the process had applied. 0 without one, and before the first change there.
    pub flags_revision: u64,
}

/// The storage of one run.
#[async_trait]
pub trait RunStore: Send + Sync + std::fmt::Debug {
    /// The stored records whose digests match, at most one a stage. A damaged record counts as missing.
    ///
    /// # Errors
    ///
    /// The storage could not be read.
    async fn load_stages(&self) -> Result<Vec<StageRecord>, StoreError>;

    /// Waits until this process surely holds the run's lease, so that no two replicas pay for a stage.
    ///
    /// # Errors
    ///
    /// Another replica holds the run, or the storage could not be asked.
    async fn await_lease(&self, _stage: Stage) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether this process surely holds the run's lease at this moment. Asked before each request to a model: a stage may make
    /// several, minutes apart, and each costs money.
    async fn holds_lease(&self, _stage: Stage) -> bool {
        true
    }

    /// Notes that the run begins to wait until others have stored their answers, or that it has waited enough. The wait is one
    /// for storage.
    fn note_wait(&self, _is_waiting: bool) {}

    /// How a record made now would be written.
    fn write_mode(&self) -> WriteMode;

    /// Stores a stage durably and returns the record as it is stored: the mode may have changed meanwhile. A crash after
    /// the return does not lose the record. An equal record that is already stored is success.
    ///
    /// # Errors
    ///
    /// Another record is stored already (a conflict), another replica holds the run, or no store took the record.
    async fn store_stage(&self, record: StageRecord) -> Result<StageRecord, StoreError>;
}
