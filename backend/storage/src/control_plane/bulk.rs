//! Bulk operations: one change of many runs that a filter chooses.
//!
//! The set is chosen once, when the operation starts, and lies in the database with the operation. So it survives every
//! process, and no run joins later.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    failure::FailureCode,
    run::{RunId, RunStatus},
};
use serde::{Deserialize, Serialize};

use super::{audit::AuditRecord, principal::Principal};
use crate::error::StorageError;

/// The most runs of one operation. A start is one statement, and must end within its time limit.
pub const BULK_RUNS_MAX: usize = 10_000;

/// The most operations that are under way at once. Each of them has up to [`BULK_RUNS_MAX`] runs in a table.
pub const BULK_OPERATIONS_MAX: usize = 5;

/// The most runs that an operation names with their reasons. Codes count all of them.
pub const BULK_PROBLEMS_MAX: i64 = 100;

/// The change of each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    Retry,
    Cancel,
    Delete,
}

/// A text that names no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be retry, cancel or delete")]
pub struct UnknownAction;

impl BulkAction {
    pub const ALL: [Self; 3] = [Self::Retry, Self::Cancel, Self::Delete];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
        }
    }

    /// Whether a run with this status can be changed so.
    #[must_use]
    pub const fn applies_to(self, status: RunStatus) -> bool {
        match self {
            Self::Retry => matches!(status, RunStatus::Failed | RunStatus::Cancelled),
            Self::Cancel => matches!(status, RunStatus::Processing),
            Self::Delete => !matches!(status, RunStatus::Processing),
        }
    }
}

impl fmt::Display for BulkAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BulkAction {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or(UnknownAction)
    }
}

/// The runs of an operation. All conditions have to hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BulkFilter {
    /// A brand's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_id: Option<BrandId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<FailureCode>,
    /// The model that answered for one of the stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// Created then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_from: Option<Timestamp>,
    /// Created earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Timestamp>,
    /// Ended then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_from: Option<Timestamp>,
}

impl BulkFilter {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The runs that an operation would change now.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkPreview {
    /// At most [`BULK_RUNS_MAX`].
    pub matching: usize,
    /// False if there are more.
    pub is_exact: bool,
    /// Runs of the filter that a retry would fail again. It leaves them out, unless the filter names their code.
    pub not_retryable: usize,
    /// The cost of the stages that retries would ask for, by the mean of recent runs. None if it is unknown, or if the
    /// operation is no retry.
    pub cost_usd: Option<f64>,
    /// The stages that retries would ask for.
    pub missing_stages: usize,
}

/// A new operation.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkOrder {
    pub id: String,
    pub action: BulkAction,
    pub filter: BulkFilter,
    /// The moment of the preview.
    pub as_of: Timestamp,
    /// The count of the preview.
    pub expected: usize,
    /// How far the real count may be from the expected one.
    pub tolerance: usize,
    pub reason: String,
    pub actor: BulkActor,
}

/// The person behind an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkActor {
    pub name: String,
    pub role: String,
    pub address: Option<String>,
    pub request_id: Option<String>,
}

/// The result of a start.
#[derive(Debug, Clone, PartialEq)]
pub enum BulkStart {
    Started,
    /// The same operation was started before.
    Existing,
    /// Another operation has the id.
    Mismatch,
    /// So many runs match, which is too far from the expected count.
    Differs(usize),
    /// As many operations as may be are under way.
    TooMany,
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkStatus {
    Running,
    Completed,
    Cancelled,
}

/// The outcome of one run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum BulkOutcome {
    Done,
    /// The run is in another state now.
    Refused,
    /// A store failed again and again.
    Failed,
}

/// An operation with its progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkOperation {
    pub id: String,
    pub action: BulkAction,
    pub filter: BulkFilter,
    pub as_of: Timestamp,
    pub status: BulkStatus,
    pub reason: String,
    pub actor: BulkActor,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// The replica that worked on it last.
    pub replica: Option<String>,
    pub total: usize,
    /// By outcome and code. Those without outcome are left.
    #[serde(default)]
    pub counts: Vec<BulkCount>,
    /// The first runs that were refused or failed.
    #[serde(default)]
    pub problems: Vec<BulkProblem>,
}

/// How many runs came out so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkCount {
    pub outcome: BulkOutcome,
    pub code: Option<String>,
    pub runs: usize,
}

/// A run that was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BulkProblem {
    pub run_id: String,
    pub outcome: BulkOutcome,
    pub code: Option<String>,
}

impl BulkOperation {
    /// How many runs came out so.
    #[must_use]
    pub fn count(&self, outcome: BulkOutcome) -> usize {
        self.counts.iter().filter(|count| count.outcome == outcome).map(|count| count.runs).sum()
    }

    /// How many runs have no outcome yet.
    #[must_use]
    pub fn left(&self) -> usize {
        let ended: usize = self.counts.iter().map(|count| count.runs).sum();
        self.total.saturating_sub(ended)
    }

    /// The runs that were refused or failed, by their code.
    #[must_use]
    pub fn by_code(&self) -> BTreeMap<String, usize> {
        let mut codes = BTreeMap::new();
        for BulkCount { code, runs, .. } in &self.counts {
            if let Some(code) = code {
                *codes.entry(code.clone()).or_default() += runs;
            }
        }
        codes
    }
}

/// The replica that works on an operation, for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkLease {
    /// New for each process.
    pub owner: String,
    /// For people.
    pub replica: String,
    pub duration: Duration,
}

/// Some runs of an operation, to be changed now.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BulkBatch {
    pub operation: String,
    pub action: BulkAction,
    pub reason: String,
    pub actor: BulkActor,
    /// Empty if only the end of the operation has to be written.
    pub items: Vec<BulkItem>,
}

/// One run of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BulkItem {
    pub position: i32,
    #[serde(rename = "runId")]
    pub run: RunId,
    /// The generation that was chosen.
    pub generation: i32,
    /// This attempt included.
    pub attempts: i32,
}

/// The outcome of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BulkResult {
    pub position: i32,
    pub outcome: BulkOutcome,
    pub code: Option<String>,
}

/// Keeps bulk operations. Every call fails with `Unavailable` or `Schema` if the store fails, and with `Indeterminate` if it
/// does not answer in time.
#[async_trait]
pub trait BulkOperations: Send + Sync + fmt::Debug {
    /// Counts the runs that an operation would change.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn preview(
        &self,
        action: BulkAction,
        filter: &BulkFilter,
        as_of: Timestamp,
    ) -> Result<BulkPreview, StorageError>;

    /// Starts an operation, chooses its runs, and keeps the audit record, in one statement.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn start(&self, order: &BulkOrder, audit: &AuditRecord) -> Result<BulkStart, StorageError>;

    /// One operation with its progress.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn operation(&self, id: &str) -> Result<Option<BulkOperation>, StorageError>;

    /// The newest operations with their progress, without the names of their runs.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn operations(&self, limit: usize) -> Result<Vec<BulkOperation>, StorageError>;

    /// Ends an operation early, together with the audit record. False if it had ended, or if there is none.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn cancel(&self, id: &str, audit: &AuditRecord) -> Result<bool, StorageError>;

    /// Takes the next runs of an operation that nobody works on, or renews the lease on the own one. None if there is nothing
    /// to do.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn claim(&self, lease: &BulkLease, limit: usize) -> Result<Option<BulkBatch>, StorageError>;

    /// Stores outcomes, and ends the operation after the last one. The first outcome of an item stays. True if the operation
    /// ended.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn record(&self, operation: &str, results: &[BulkResult]) -> Result<bool, StorageError>;

    /// Gives leases back, so that another replica goes on at once.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn release(&self, owner: &str) -> Result<(), StorageError>;

    /// Removes up to `limit` operations that ended this long ago. Returns how many.
    ///
    /// # Errors
    ///
    /// See the trait.
    async fn expire(&self, keep: Duration, limit: usize) -> Result<usize, StorageError>;
}
