//! How people find runs: by the database where it can be asked, and else by the files.

use std::{collections::HashMap, sync::Arc, time::Duration};

use pipeline::{brand::BrandId, run::RunStatus};
use storage::{
    Activity, End, FoundRun, Listing, PageStart, Position, RunFilter, RunSearch, RunSummary, StorageError,
    StoredIn, router::Router,
};

use super::service::Runs;
use crate::health::cached::Cached;

/// How many runs of the files one search looks at. A manifest is a file, or a request to a bucket.
const FILES_LOOKED_AT_MAX: usize = 500;

/// How many of them are listed at once.
const FILES_PAGE: usize = 100;

/// How long the figures of the last minutes are kept for the next person who asks.
const ACTIVITY_KEEP: Duration = Duration::from_secs(5);
const ACTIVITY_TIMEOUT: Duration = Duration::from_secs(1);

/// How far back the figures reach, in minutes.
pub const ACTIVITY_MINUTES: usize = 60;

/// Finds runs.
#[derive(Debug)]
pub struct RunFinder {
    runs: Arc<Runs>,
    router: Arc<Router>,
    /// None without a database.
    search: Option<Arc<dyn RunSearch>>,
    activity: Cached<Result<Activity, StorageError>>,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Sought {
    pub runs: Vec<SoughtRun>,
    /// Where the next search begins. None if there is nothing more.
    pub next: Option<Position>,
    /// How many runs match. None if they were not counted.
    pub total: Option<usize>,
    pub is_total_exact: bool,
    /// The stores that were asked.
    pub stored_in: StoredIn,
    /// Whether filters were left out that only the database knows: the model, the cost, the grounding.
    pub is_shallow: bool,
}

/// One run that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct SoughtRun {
    pub run: RunSummary,
    pub brand_name: Option<String>,
    pub model: Option<String>,
    /// None while only files were asked.
    pub cost_usd: Option<f64>,
    pub grounding: Option<f64>,
}

impl RunFinder {
    #[must_use]
    pub fn new(runs: Arc<Runs>, router: Arc<Router>, search: Option<Arc<dyn RunSearch>>) -> Self {
        Self { runs, router, search, activity: Cached::new(ACTIVITY_KEEP, ACTIVITY_TIMEOUT) }
    }

    /// Finds the runs of all principals that match, newest first.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Indeterminate` if no store can list its runs in time.
    pub async fn find(&self, filter: &RunFilter) -> Result<Sought, StorageError> {
        if let Some(search) = self.usable() {
            match search.search(filter).await {
                Ok(found) => {
                    let mut names = HashMap::new();
                    let runs = found.runs.into_iter().map(|found| self.sought(found, &mut names)).collect();
                    return Ok(Sought {
                        runs,
                        next: found.next,
                        total: found.total,
                        is_total_exact: found.is_total_exact,
                        stored_in: StoredIn::DATABASE,
                        is_shallow: false,
                    });
                }
                Err(error) if error.is_outage() => {
                    tracing::warn!(event = "run_search_failed", %error, "runs could not be searched in the database; the files are asked");
                }
                Err(error) => return Err(error),
            }
        }
        self.find_listed(filter).await
    }

    /// The activity of the last [`ACTIVITY_MINUTES`]. None while the database is not asked, or has not answered.
    pub async fn activity(&self) -> Option<Activity> {
        let search = self.usable()?.clone();
        self.activity.get(|| async move { search.activity(ACTIVITY_MINUTES).await }).await?.ok()
    }

    fn usable(&self) -> Option<&Arc<dyn RunSearch>> {
        self.search.as_ref().filter(|_| self.router.is_database_open())
    }

    fn sought(&self, found: FoundRun, names: &mut HashMap<BrandId, Option<String>>) -> SoughtRun {
        let FoundRun { run, model, cost_usd, grounding } = found;
        let run = self.as_known_here(run);
        let brand_name = run.brand_id.as_ref().and_then(|id| {
            // Each profile is read once for all runs of its brand.
            names.entry(id.clone()).or_insert_with(|| self.runs.brand_name(id)).clone()
        });
        SoughtRun { run, brand_name, model, cost_usd: Some(cost_usd), grounding }
    }

    /// A run that has failed, and whose failure no store holds yet, has failed.
    fn as_known_here(&self, mut run: RunSummary) -> RunSummary {
        if run.status == RunStatus::Processing
            && let Some(failure) = self.runs.worker.unstored_failure(&run.id)
        {
            run.status = End::Failed(&failure).status();
            run.failure = Some(failure);
        }
        run
    }

    /// Looks through the list, page by page.
    async fn find_listed(&self, filter: &RunFilter) -> Result<Sought, StorageError> {
        let mut start = match &filter.after {
            Some(position) => PageStart::After(position.clone()),
            None => PageStart::Offset(0),
        };
        let is_plain =
            filter.error_code.is_none() && filter.created_from.is_none() && filter.created_to.is_none();
        let (mut runs, mut looked_at, mut next) = (Vec::new(), 0, None);
        let (mut total, mut is_total_exact, mut stored_in) = (None, false, StoredIn::default());
        while looked_at < FILES_LOOKED_AT_MAX && runs.len() < filter.limit {
            let limit = if is_plain { filter.limit } else { FILES_PAGE };
            let (status, brand_id) = (filter.status, filter.brand_id.clone());
            let listing = Listing { status, brand_id, principal: None, start: start.clone(), limit };
            let list = self.runs.list(&listing).await?;
            if is_plain && filter.after.is_none() {
                (total, is_total_exact) = (Some(list.page.total), list.page.is_total_exact);
            }
            stored_in = stored_in.and(list.page.stored_in);
            looked_at += list.runs.len();
            let last = list.runs.last().map(|last| last.run.position());
            next = last.clone().filter(|_| list.page.has_next);
            for listed in list.runs.into_iter().filter(|listed| matches(filter, &listed.run)) {
                if runs.len() == filter.limit {
                    next = runs.last().map(|last: &SoughtRun| last.run.position());
                    break;
                }
                let (run, brand_name) = (listed.run, listed.brand_name);
                runs.push(SoughtRun { run, brand_name, model: None, cost_usd: None, grounding: None });
            }
            match &next {
                Some(position) => start = PageStart::After(position.clone()),
                None => break,
            }
        }
        Ok(Sought { runs, next, total, is_total_exact, stored_in, is_shallow: filter.is_deep() })
    }
}

fn matches(filter: &RunFilter, run: &RunSummary) -> bool {
    let code = run.failure.as_ref().map(|failure| failure.code.as_str());
    filter.error_code.as_deref().is_none_or(|wanted| Some(wanted) == code)
        && filter.created_from.is_none_or(|from| run.created_at >= from)
        && filter.created_to.is_none_or(|to| run.created_at < to)
}
