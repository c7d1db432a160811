//! The list of runs, by pages.

use pipeline::{
    brand::BrandId,
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use crate::run::StoredIn;

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

/// A row as the frontend wrote it before it asked for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontendRun {
    pub company_name: String,
    pub document_url: Option<String>,
    /// Whether `/run` has accepted it.
    pub is_accepted: bool,
}
