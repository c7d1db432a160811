//! The answers of the model that runs of one owner share.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use pipeline::{
    record::sha256_hex,
    run::{RunId, Stage},
};
use serde::Serialize;

use super::{audit::AuditRecord, principal::Principal};
use crate::error::StorageError;

/// A run's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerQuestion {
    pub principal: Principal,
    pub run: RunId,
    pub stage: Stage,
    /// SHA-256 (hex) of everything that the answer depends on.
    pub key: String,
}

impl AnswerQuestion {
    /// The digest of an answer's text for this owner and question: a text under another key does not match.
    #[must_use]
    pub fn digest(&self, text: &str) -> String {
        sha256_hex(format!("{}\n{}\n{text}", self.principal.as_str(), self.key).as_bytes())
    }
}

/// The right to ask a question, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerLease {
    /// New for each look-up, so that an older lead of the same process ends.
    pub leader: String,
    pub duration: Duration,
}

/// A question whose lease this process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldQuestion {
    pub question: Arc<AnswerQuestion>,
    pub leader: String,
}

/// A stored answer. Nothing of it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    pub text: String,
    pub sha256: String,
}

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerClaim {
    /// There is an answer, and the run is noted as one that uses it.
    Found(StoredAnswer),
    /// The caller asks the model.
    Led,
    /// Another run asks.
    Taken,
    /// The run's request allows no reuse.
    OptedOut,
}

/// The entries of one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerStats {
    pub principal: Principal,
    pub answers: u64,
    /// Questions that are being asked.
    pub asked: u64,
    pub uses: u64,
    pub bytes: u64,
    /// The age of the oldest answer in seconds.
    pub oldest_seconds: u64,
}

/// The answers that a purge removes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerPurge {
    /// None for all owners.
    pub principal: Option<Principal>,
    /// None for answers of any age.
    pub older_than: Option<Duration>,
}

/// The answers in the database.
///
/// Every function fails with `Unavailable` or `Schema` if the store fails, and with `Indeterminate` if it does not answer in
/// time.
#[async_trait]
pub trait AnswerStore: Send + Sync + std::fmt::Debug {
    /// Finds an answer that is not older than `keep`, or gives the caller the lease to ask. One statement decides, by the
    /// database's clock.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn claim(
        &self,
        question: &AnswerQuestion,
        lease: &AnswerLease,
        keep: Duration,
    ) -> Result<AnswerClaim, StorageError>;

    /// Notes that a run uses an answer that it has got in memory.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn note_use(&self, question: &AnswerQuestion) -> Result<(), StorageError>;

    /// Renews leases for this time. Returns the leaders that still hold theirs; another run has taken over from the others, or
    /// they have answered.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn renew(&self, held: &[HeldQuestion], duration: Duration)
    -> Result<HashSet<String>, StorageError>;

    /// Keeps the answer of a leader, and notes its run as the first that uses it. False if another run has taken over.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn keep(
        &self,
        question: &AnswerQuestion,
        leader: &str,
        answer: &StoredAnswer,
    ) -> Result<bool, StorageError>;

    /// Gives a lease back without an answer.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn release(&self, question: &AnswerQuestion, leader: &str) -> Result<(), StorageError>;

    /// Removes a stored answer that was not usable.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn reject(&self, question: &AnswerQuestion) -> Result<(), StorageError>;

    /// Notes that a run may neither use nor leave answers.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn opt_out(&self, run: &RunId, principal: &Principal) -> Result<(), StorageError>;

    /// Removes what is stored of a deleted run, and the answers that no other run uses.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn forget_run(&self, run: &RunId) -> Result<(), StorageError>;

    /// Removes answers older than `keep`, answers of runs whose row is gone, and questions that nobody asks any more; at most
    /// `limit`. Returns how many.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn expire(&self, keep: Duration, limit: usize) -> Result<usize, StorageError>;

    /// The entries of each owner, of at most `limit` owners.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn stats(&self, limit: usize) -> Result<Vec<AnswerStats>, StorageError>;

    /// Removes answers together with the audit record, in one statement. Returns how many.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn purge(&self, what: &AnswerPurge, audit: &AuditRecord) -> Result<usize, StorageError>;
}
