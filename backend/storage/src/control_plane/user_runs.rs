//! The runs of one user of the frontend.

use async_trait::async_trait;
use pipeline::run::{RunId, RunStatus};

use crate::error::StorageError;

/// A run of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRun {
    pub id: RunId,
    pub status: RunStatus,
}

/// Finds the runs of a user in the database.
#[async_trait]
pub trait UserRuns: Send + Sync + std::fmt::Debug {
    /// Lists a page of the runs of a user, by id, after an id. A run that was deleted is among them as long as its row is
    /// there.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn runs_of_user(
        &self,
        user: &str,
        after: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<UserRun>, StorageError>;
}
