//! The figures of one hour of one deployment, to compare the next deployment with.

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::StorageError;

/// One hour of one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub deployment: String,
    pub replica: String,
    /// The hour's start.
    pub hour: Timestamp,
    pub figures: Value,
}

/// The baselines in the database. They are kept for 7 days.
#[async_trait]
pub trait Baselines: Send + Sync + std::fmt::Debug {
    /// Stores the figures of an hour so far, in place of earlier ones of the same hour. Deletes those of more than 7 days.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn store(&self, baseline: &Baseline) -> Result<(), StorageError>;

    /// The hours of the deployment that ran last before this one, the newest first, 1,000 at most.
    ///
    /// # Errors
    ///
    /// As [`Baselines::store`].
    async fn previous(&self, deployment: &str) -> Result<Vec<Baseline>, StorageError>;
}
