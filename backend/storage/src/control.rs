//! What is done to runs from outside of their work: listed, retried, cancelled, deleted.

use async_trait::async_trait;
use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use super::{Fence, StorageError, StoredIn};

/// As far as runs are counted, and as pages by number reach. Beyond it a list costs what it holds, so it goes on by
/// [`PageStart::After`], which costs the same at any depth.
pub const COUNTED_MAX: usize = 10_000;

/// Which runs are wanted, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub status: Option<RunStatus>,
    pub brand_id: Option<BrandId>,
    pub start: PageStart,
    /// At least 1.
    pub limit: usize,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    /// After so many runs; fewer than [`COUNTED_MAX`].
    Offset(usize),
    /// After this one.
    After(Position),
}

/// A run's place in the list: when it was created, and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub created_at: Timestamp,
    pub run: RunId,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    pub id: RunId,
    pub status: RunStatus,
    pub generation: i32,
    /// The document's name.
    pub source: String,
    /// None for a row that the frontend has created and nobody has asked `/run` for.
    pub brand_id: Option<BrandId>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// How many stages are stored.
    pub stages: usize,
    pub failure: Option<RunFailure>,
}

impl RunSummary {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { created_at: self.created_at, run: self.id.clone() }
    }
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPage {
    pub runs: Vec<RunSummary>,
    pub has_next: bool,
    /// How many runs the filters let through, or [`COUNTED_MAX`] if there are more.
    pub total: usize,
    pub is_total_exact: bool,
    /// Who was asked.
    pub stored_in: StoredIn,
}

impl RunPage {
    /// A page of what has been sorted out already, newest first.
    #[must_use]
    pub fn of(all: Vec<RunSummary>, listing: &Listing, stored_in: StoredIn) -> Self {
        let total = all.len();
        let mut rest: Vec<RunSummary> = match &listing.start {
            PageStart::Offset(offset) => all.into_iter().skip(*offset).collect(),
            PageStart::After(position) => all.into_iter().filter(|run| run.position() < *position).collect(),
        };
        let has_next = rest.len() > listing.limit;
        rest.truncate(listing.limit);
        let is_total_exact = total <= COUNTED_MAX;
        Self { runs: rest, has_next, total: total.min(COUNTED_MAX), is_total_exact, stored_in }
    }
}

impl Listing {
    /// Whether a run is wanted.
    #[must_use]
    pub fn wants(&self, status: RunStatus, brand_id: Option<&BrandId>) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
            && self.brand_id.as_ref().is_none_or(|wanted| Some(wanted) == brand_id)
    }
}

/// What came of a deletion's first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TombstoneOutcome {
    /// Its tombstone stands; nobody sees the run any more.
    Done {
        /// Whether the store had the run, or only knows now that there must be none.
        had_run: bool,
    },
    /// It has not ended. Nothing has changed.
    Running,
}

/// A row as the frontend wrote it before it asked for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontendRun {
    pub company_name: String,
    pub document_url: Option<String>,
    /// Whether `/run` has accepted it.
    pub is_accepted: bool,
}

/// What is done to runs from outside of their work.
#[async_trait]
pub trait Control: Send + Sync {
    /// The run's row in the database that the frontend shares; a store without such rows has none.
    async fn frontend_run(&self, _run: &RunId) -> Result<Option<FrontendRun>, StorageError> {
        Ok(None)
    }

    /// Ends the step that a page shows as under way, for a run that the frontend has ended.
    async fn end_step(&self, _run: &RunId, _failure: &RunFailure) -> Result<(), StorageError> {
        Ok(())
    }

    /// A page of the list.
    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError>;

    /// Which of the runs are no longer the caller's. Changes nothing.
    async fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError>;

    /// Makes a failed or cancelled run work again, with what is stored of it, under the generation after the one that
    /// was seen; returns that. None if it is not as seen any more: of many at once, one does it.
    async fn retry(&self, run: &RunId, seen: i32) -> Result<Option<i32>, StorageError>;

    /// Ends a run that has not ended, whoever works on it: from now on their writes are stale. False if it had ended.
    async fn cancel(&self, run: &RunId, failure: &RunFailure, at: Timestamp) -> Result<bool, StorageError>;

    /// Sets a run's tombstone: it is shown, retried and accepted no more. May be done again.
    async fn create_tombstone(&self, run: &RunId) -> Result<TombstoneOutcome, StorageError>;

    /// Whether the run has a tombstone.
    async fn is_deleted(&self, run: &RunId) -> Result<bool, StorageError>;

    /// Removes all that a buried run has left but its tombstone. May be done again.
    async fn remove(&self, run: &RunId) -> Result<(), StorageError>;

    /// Buried runs of which something is left: a process died before it had removed all.
    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError>;
}
