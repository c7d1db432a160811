//! How runs are read: one run whole, or the list by pages.

use async_trait::async_trait;
use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use crate::{
    control_plane::Principal,
    error::StorageError,
    run::{RunRecord, StoredIn},
};

/// The most runs that are counted and that numbered pages reach. A deeper page would cost as much as the list
/// before it. [`PageStart::After`] costs the same at any depth.
pub const COUNTED_MAX: usize = 10_000;

/// A request for a list of runs, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub status: Option<RunStatus>,
    pub brand_id: Option<BrandId>,
    /// Whose runs. None for all.
    pub principal: Option<Principal>,
    pub start: PageStart,
    /// At least 1.
    pub limit: usize,
}

/// The start of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStart {
    /// After this many runs; fewer than [`COUNTED_MAX`].
    Offset(usize),
    /// After this position.
    After(Position),
}

/// A run's position in the list: its time of creation, and its id.
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
    /// None for a row that the frontend created and that `/run` has not accepted.
    pub brand_id: Option<BrandId>,
    /// The run's owner.
    pub principal: Principal,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// The number of stored stages.
    pub stages: usize,
    pub failure: Option<RunFailure>,
}

impl RunSummary {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { created_at: self.created_at, run: self.id.clone() }
    }
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPage {
    pub runs: Vec<RunSummary>,
    pub has_next: bool,
    /// The number of runs that match the filters, or [`COUNTED_MAX`] if there are more.
    pub total: usize,
    pub is_total_exact: bool,
    /// The stores that were read.
    pub stored_in: StoredIn,
}

impl RunPage {
    /// A page of runs that match the filters, newest first.
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
    /// Whether a run matches the filters.
    #[must_use]
    pub fn wants(&self, status: RunStatus, brand_id: Option<&BrandId>, principal: &Principal) -> bool {
        self.status.is_none_or(|wanted| wanted == status)
            && self.brand_id.as_ref().is_none_or(|wanted| Some(wanted) == brand_id)
            && self.principal.as_ref().is_none_or(|wanted| wanted == principal)
    }
}

/// A row as the frontend inserted it before it submitted the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontendRun {
    pub company_name: String,
    pub document_url: Option<String>,
    /// Whether `/run` has accepted it.
    pub is_accepted: bool,
}

/// Reads runs.
#[async_trait]
pub trait RunQueries: Send + Sync {
    /// Loads a run with all its stored parts.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError>;

    /// Lists one page of runs.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError>;

    /// Reads the run's row in the frontend's database. None for a store without such rows.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn frontend_run(&self, _run: &RunId) -> Result<Option<FrontendRun>, StorageError> {
        Ok(None)
    }
}
