//! A store of runs.

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, Stage},
};

use crate::{
    error::StorageError,
    ports::{
        control::Control,
        lifecycle::{Acceptance, Claim, Fence, Lease},
    },
    run::{End, RunRecord, RunSubmission},
};

/// A place that keeps runs.
#[async_trait]
pub trait Store: Control + std::fmt::Debug {
    /// Records a request durably, or tells that it was recorded before. Of many at once, one is new.
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError>;

    /// Makes a run known here that was accepted elsewhere, under the fence that it has there. It may be known already.
    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError>;

    /// Takes accepted, unfinished runs that nobody holds, the more urgent and each user's oldest first.
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError>;

    /// Says that the runs are still worked on; returns those that are no longer the caller's.
    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError>;

    /// Gives a run back unfinished, so that anybody may claim it at once; the attempt does not count.
    async fn release(&self, fence: &Fence) -> Result<(), StorageError>;

    /// The run with all that is stored of it.
    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError>;

    /// Stores a stage durably.
    async fn store_stage(&self, fence: &Fence, record: &StageRecord) -> Result<(), StorageError>;

    /// Remembers that the other store lacks these stages (none: only the run's end).
    async fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError>;

    /// Ends the run, durably, with its report and all that belongs to its end. Ending it again in the same way is
    /// success.
    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError>;

    /// Whether the store would take a write now.
    async fn probe(&self) -> Result<(), StorageError>;
}
