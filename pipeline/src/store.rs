//! The seam to storage: what the stage loop needs of it, and no more.

use async_trait::async_trait;

use crate::{
    record::StageRecord,
    run::{RunId, Stage},
};

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

/// A stored stage, as the store knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub record: StageRecord,
    pub record_sha256: String,
}

/// Where runs keep what they have earned.
#[async_trait]
pub trait RunStore: Send + Sync + std::fmt::Debug {
    /// The stage's record, if it is stored and its digests match; a damaged one is set aside and counts as
    /// missing.
    async fn load_stage(&self, run: &RunId, stage: Stage) -> Result<Option<StageRecord>, StoreError>;

    /// Stores a stage durably. When it returns, a crash can no longer lose the record. An equal record
    /// that is already there is success; a different one is a conflict.
    async fn store_stage(&self, run: &RunId, record: &StageRecord) -> Result<(), StoreError>;

    /// Stores the report, durably. An older one is replaced: it is derived from the stages.
    async fn store_report(&self, run: &RunId, markdown: &str) -> Result<(), StoreError>;
}
