//! Figures of the work as a whole, which only the database knows.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::{error::StorageError, waiting::WaitReason};

/// Counts runs.
#[async_trait]
pub trait QueueStats: Send + Sync + std::fmt::Debug {
    /// Counts accepted runs that wait for a worker, up to a limit.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn queue_depth(&self, at_most: usize) -> Result<usize, StorageError>;

    /// Counts waiting runs by reason, up to a limit.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn waiting(&self, at_most: usize) -> Result<BTreeMap<WaitReason, usize>, StorageError>;

    /// Counts runs whose row and files differ, up to a limit.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn conflicts(&self, at_most: usize) -> Result<usize, StorageError>;
}
