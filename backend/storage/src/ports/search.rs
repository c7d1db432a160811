//! How people look for runs, and what has happened lately: questions that only the database answers.

use async_trait::async_trait;
use pipeline::{brand::BrandId, clock::Timestamp, run::RunStatus};

use crate::{
    error::StorageError,
    ports::listing::{Position, RunSummary},
};

/// How many runs one search looks at, if it asks for what no index knows: the model, the cost, the share of grounded quotes. A
/// further search continues after them.
pub const LOOKED_AT_MAX: usize = 2_000;

/// A search, newest first. Absent fields match every run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunFilter {
    pub status: Option<RunStatus>,
    pub brand_id: Option<BrandId>,
    /// A run error code.
    pub error_code: Option<String>,
    /// The model that answered some stage.
    pub model: Option<String>,
    /// The least dollars.
    pub cost_min: Option<f64>,
    /// The largest share of quotes that were found, from 0 to 1.
    pub grounding_max: Option<f64>,
    pub created_from: Option<Timestamp>,
    pub created_to: Option<Timestamp>,
    /// After this run.
    pub after: Option<Position>,
    /// At least 1.
    pub limit: usize,
}

impl RunFilter {
    /// Whether it asks for what no index knows.
    #[must_use]
    pub fn is_deep(&self) -> bool {
        self.model.is_some() || self.cost_min.is_some() || self.grounding_max.is_some()
    }
}

/// A run that was found, with the figures of its row.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRun {
    pub run: RunSummary,
    /// The model of the last stored stage.
    pub model: Option<String>,
    /// US dollars for all answers.
    pub cost_usd: f64,
    /// The share of quotes that were found in the document. None before the end.
    pub grounding: Option<f64>,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub runs: Vec<FoundRun>,
    /// Where the next search begins. None if there is nothing more.
    pub next: Option<Position>,
    /// How many runs match, up to [`super::listing::COUNTED_MAX`]. None for a deep search, which does not count.
    pub total: Option<usize>,
    pub is_total_exact: bool,
}

/// The activity of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Minute {
    pub accepted: usize,
    pub completed: usize,
    pub failed: usize,
    /// The mean time from the request to the end of the completed runs, in seconds.
    pub mean_seconds: Option<f64>,
}

/// The activity of the last minutes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Activity {
    /// The oldest first. The last one is the current minute.
    pub minutes: Vec<Minute>,
    /// The dollars of all principals since midnight (UTC).
    pub usd_today: f64,
}

/// Looks for runs.
#[async_trait]
pub trait RunSearch: Send + Sync + std::fmt::Debug {
    /// Finds runs by a filter.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn search(&self, filter: &RunFilter) -> Result<Found, StorageError>;

    /// Reads the activity of the last minutes, 60 at most.
    ///
    /// # Errors
    ///
    /// As [`RunSearch::search`].
    async fn activity(&self, minutes: usize) -> Result<Activity, StorageError>;
}
