//! How much of its quotas a principal has used.

use async_trait::async_trait;
use pipeline::run::RunId;

use super::principal::Principal;
use crate::error::StorageError;

/// The use of a principal, on all replicas together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Runs accepted in the last minute.
    pub runs_last_minute: u32,
    /// Runs that were accepted and have not ended.
    pub runs_under_way: u32,
    /// Dollars spent since midnight (UTC).
    pub usd_today: f64,
}

/// The dollars of a principal since they were saved last.
#[derive(Debug, Clone, PartialEq)]
pub struct Spending {
    pub principal: Principal,
    /// The day (UTC), such as `2026-12-01`.
    pub day: String,
    pub usd: f64,
}

/// The use of quotas in the database.
#[async_trait]
pub trait UsageStore: Send + Sync + std::fmt::Debug {
    /// Reads the use of a principal, without these runs: the caller counts them itself. Counts end at `count_max`.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails.
    async fn usage(
        &self,
        principal: &Principal,
        without: &[RunId],
        count_max: u32,
    ) -> Result<Usage, StorageError>;

    /// Adds to what principals have spent, all or nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn spend(&self, spent: &[Spending]) -> Result<(), StorageError>;
}
