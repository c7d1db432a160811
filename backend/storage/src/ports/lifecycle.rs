//! The types for accepting, claiming, leasing and ending a run.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    run::{RunId, RunStatus, Stage},
};

use crate::{
    error::StorageError,
    ports::{
        clock_skew::ClockSkew,
        combined::{Alone, Combined, Leave},
    },
    run::{End, RunSubmission},
};

use crate::{
    term::Term,
    waiting::{Postponement, SHARED_ATTEMPTS_MAX},
};

/// The owner of a lease, and how long it lasts without a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The replica's id.
    pub owner: String,
    pub duration: Duration,
}

/// The right to write to a run, until another worker claims it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    pub run: RunId,
    pub owner: String,
    /// The fencing token. Every claim and every cancellation raises it.
    pub epoch: i32,
    /// Each retry raises it. A higher generation wins.
    pub generation: i32,
    /// The number of this attempt at the next stage: earlier claims that stored no stage, and this one.
    pub attempt: i32,
    /// Whether the worker owns the run's row under this fence. A claim from files must still take the row, if
    /// there is one.
    pub owns_row: bool,
    /// The stages that the row had when this worker claimed it. None are known of a claim from files.
    pub row_stages: BTreeSet<Stage>,
}

impl Fence {
    /// The attempts that the store counts under this fence, before [`Lifecycle::count_attempt`].
    #[must_use]
    pub fn counted_attempts(&self) -> i32 {
        if self.attempt <= SHARED_ATTEMPTS_MAX { self.attempt } else { self.attempt - 1 }
    }

    /// The stored attempts without this one. A third attempt may be uncounted yet.
    #[must_use]
    pub fn undone(&self, attempts: i32) -> i32 {
        let is_counted = self.attempt <= SHARED_ATTEMPTS_MAX || attempts >= self.attempt;
        (attempts - i32::from(is_counted)).max(0)
    }

    /// How far the run has come under this fence.
    #[must_use]
    pub fn term(&self) -> Term {
        Term { generation: self.generation, epoch: self.epoch }
    }
}

/// A worker's claim for free slots.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub lease: &'a Lease,
    /// The most runs to claim.
    pub limit: usize,
    /// Runs that this process works on already.
    pub held: &'a HashSet<RunId>,
    /// Whether to claim runs with an expired lease. After an outage, an expired lease says nothing about its
    /// worker.
    pub expired: bool,
    /// The waiting runs to claim.
    pub waiting: WaitingRuns,
}

/// Which of the waiting runs a claim takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingRuns {
    None,
    /// Those whose time has come.
    Due,
    /// Only runs that have waited for their model for longer than this, and no others.
    Overdue(Duration),
}

/// The result of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// The run is new, or its row waited for acceptance. With a fence if the caller requested a lease.
    New(Option<Fence>),
    /// The run was accepted before, with the same request.
    Existing(RunStatus),
    /// Another request has this id.
    RequestMismatch,
    /// The run with this id was deleted, and its tombstone exists.
    Deleted,
}

/// A run from its acceptance to its end, under the leases of those who work on it.
#[async_trait]
pub trait Lifecycle: Send + Sync {
    /// Stores a request durably, or finds that it was stored before. Of many concurrent calls, one returns
    /// `New`.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn accept(&self, run: &RunSubmission, lease: Option<&Lease>) -> Result<Acceptance, StorageError>;

    /// Stores a run that another store accepted, under the same fence. The run may be here already.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run, or if it was deleted. `Conflict` if the run has another
    /// request. `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn adopt(&self, run: &RunSubmission, fence: &Fence) -> Result<(), StorageError>;

    /// Claims accepted, unfinished runs without an owner: urgent ones first, then each user's oldest.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Fence>, StorageError>;

    /// Renews leases. Returns the runs that the caller has lost.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn renew(&self, lease: &Lease, fences: &[Fence]) -> Result<Vec<RunId>, StorageError>;

    /// Lists the runs that the caller no longer owns. Changes nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError>;

    /// Releases an unfinished run, so that any worker may claim it at once. The attempt does not count.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn release(&self, fence: &Fence) -> Result<(), StorageError>;

    /// Puts an unfinished run back, to be claimed after the wait. The attempt does not count. Repeating the
    /// call succeeds.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run, or if it has ended. `Unavailable` or `Schema` if the store
    /// fails. `Indeterminate` if it does not answer in time.
    async fn put_back(&self, fence: &Fence, postponement: &Postponement) -> Result<(), StorageError>;

    /// Counts the attempt of a run that is alone in its worker, before the worker executes it.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run, or if it has ended. `Unavailable` or `Schema` if the store
    /// fails. `Indeterminate` if it does not answer in time.
    async fn count_attempt(&self, fence: &Fence) -> Result<(), StorageError>;

    /// Ends the run durably, with its report and its failure. Repeating the same end succeeds.
    ///
    /// # Errors
    ///
    /// `Fenced` if another worker owns the run, or if it has ended otherwise. `Unavailable` or `Schema` if
    /// the store fails. `Indeterminate` if it does not answer in time.
    async fn finish(&self, fence: &Fence, end: End<'_>, at: Timestamp) -> Result<(), StorageError>;

    /// As [`Lifecycle::finish`], in one statement with the ends of other runs. A store that combines nothing says `Alone`.
    ///
    /// # Errors
    ///
    /// `Invalid` if the records are not those of a completed run.
    async fn finish_combined(
        &self,
        _: &Fence,
        _: End<'_>,
        _: Timestamp,
        _: Leave<'_>,
    ) -> Result<Combined, StorageError> {
        Ok(Combined::Alone(Alone::default()))
    }

    /// Checks whether the store would accept a write now.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Indeterminate` or `Schema` says why it would not.
    async fn probe(&self) -> Result<(), StorageError>;

    /// As [`Lifecycle::probe`], after an outage: it writes as much as a stage has.
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Indeterminate` or `Schema` says why the store would not accept a write.
    async fn prove_recovery(&self) -> Result<(), StorageError> {
        self.probe().await
    }

    /// How far the store's clock is from ours, as the last probe measured it. None for a store without a clock.
    fn clock_skew(&self) -> Option<ClockSkew> {
        None
    }
}
