//! Batches: runs of one document for several brands, accepted all or none.

use std::fmt;

use async_trait::async_trait;
use pipeline::{
    batch::BatchId,
    brand::BrandId,
    clock::Timestamp,
    record::{RecordError, millis, sha256_canonical},
    run::RunId,
};
use serde::{Deserialize, Serialize};

use crate::{control_plane::Principal, error::StorageError, run::RunSubmission};

/// An accepted batch. It holds nothing of the user and no address, because it outlives its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    #[serde(rename = "batch_id")]
    pub id: BatchId,
    /// The owner of its runs. Absent for `environment`.
    #[serde(default = "Principal::environment", skip_serializing_if = "Principal::is_environment")]
    pub principal: Principal,
    /// SHA-256 (hex) over the fields that make two requests the same batch.
    pub digest: String,
    #[serde(with = "millis")]
    pub accepted_at: Timestamp,
    /// In the order of the request.
    pub runs: Vec<BatchRun>,
}

/// One run of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRun {
    pub brand_id: BrandId,
    pub run_id: RunId,
}

impl Batch {
    /// The digest of a request. The order of its brands does not matter.
    ///
    /// # Errors
    ///
    /// The request cannot be brought into canonical form.
    pub fn digest_of(document_url: &str, brands: &[BrandId]) -> Result<String, RecordError> {
        let mut sorted: Vec<&BrandId> = brands.iter().collect();
        sorted.sort();
        sha256_canonical(&(document_url, &sorted))
    }

    /// Whether both are the same batch, of the same owner.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.digest == other.digest && self.principal == other.principal
    }
}

/// A batch to accept, with a run for each of its brands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSubmission {
    pub batch: Batch,
    /// In the order of [`Batch::runs`].
    pub runs: Vec<RunSubmission>,
}

/// The result of an acceptance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchAcceptance {
    /// All runs are new, and wait for a worker.
    New,
    /// The same batch was accepted before.
    Existing,
    /// Another request has the batch's id, or the id of one of its runs.
    Mismatch,
    /// This run of the batch was deleted.
    Deleted(RunId),
}

/// Batches in a store. Their runs are runs as all others.
#[async_trait]
pub trait Batches: fmt::Debug + Send + Sync {
    /// Stores a batch and all of its runs durably, or nothing. Of many concurrent calls, one returns `New`.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn accept_batch(&self, new: &BatchSubmission) -> Result<BatchAcceptance, StorageError>;

    /// Stores a batch that another store accepted, without its runs. A batch with this id may be here already.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn import_batch(&self, batch: &Batch) -> Result<(), StorageError>;

    /// Reads a batch.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn batch(&self, id: &BatchId) -> Result<Option<Batch>, StorageError>;
}
