//! The list of runs, from their manifests.

use std::{cmp::Reverse, time::Duration};

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{
        layout::{MANIFEST_FILE, TOMBSTONE_FILE, in_run},
        manifest::Manifest,
        run_files::RunFiles,
    },
    ports::listing::{COUNTED_MAX, Listing, PageStart, RunPage, RunSummary},
    run::StoredIn,
};

/// How long a caller waits for a list of runs.
pub(in crate::files) const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// How many manifests a list reads at once.
const LISTED_AT_ONCE: usize = 32;

impl RunFiles {
    /// Lists the newest runs and reads at most as many as are counted. If the backend knows their order, it
    /// reads only the requested page.
    pub(in crate::files) fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let newest = self.io.backend.newest_runs(COUNTED_MAX).map_err(|error| self.io.fault("", &error))?;
        let is_sorted = newest.runs.first().is_some_and(|(accepted_ms, _)| accepted_ms.is_some());
        let wanted = match &listing.start {
            PageStart::Offset(offset) => offset + listing.limit + 1,
            PageStart::After(_) => listing.limit + 1,
        };
        let is_after = |accepted_ms: &Option<i64>| match (&listing.start, accepted_ms) {
            (PageStart::After(position), Some(ms)) => *ms <= position.created_at.timestamp_millis(),
            _ => true,
        };
        let count = newest.runs.len();
        let runs: Vec<RunId> = newest
            .runs
            .into_iter()
            .filter(|(accepted_ms, _)| is_after(accepted_ms))
            .filter_map(|(_, name)| RunId::parse(&name).ok())
            .collect();
        let mut all: Vec<RunSummary> = Vec::new();
        let mut read = 0;
        for batch in runs.chunks(LISTED_AT_ONCE) {
            read += batch.len();
            all.extend(self.summaries(batch, listing));
            if is_sorted && all.len() > wanted {
                break;
            }
        }
        all.sort_by_key(|run| Reverse(run.position()));
        all.dedup_by(|one, other| one.id == other.id);
        let page = RunPage::of(all, listing, StoredIn::FILES);
        if read == runs.len() && runs.len() == count {
            return Ok(RunPage { is_total_exact: page.is_total_exact && !newest.has_more, ..page });
        }
        // Without a filter, runs that were not read count too.
        let all = Listing { status: None, brand_id: None, principal: None, ..listing.clone() };
        let total = if *listing == all { count } else { page.total };
        Ok(RunPage { total, is_total_exact: false, ..page })
    }

    /// Reads the runs that match the filter.
    pub(in crate::files) fn summaries(&self, runs: &[RunId], listing: &Listing) -> Vec<RunSummary> {
        let names: Vec<String> =
            runs.iter().flat_map(|run| [in_run(run, TOMBSTONE_FILE), in_run(run, MANIFEST_FILE)]).collect();
        let mut read = self.io.backend.read_all(&names).into_iter();
        let mut wanted = Vec::new();
        for run in runs {
            let (Some(tombstone), Some(manifest)) = (read.next(), read.next()) else { break };
            let manifest = match (tombstone, manifest) {
                (Ok(None), Ok(Some(stored))) => self.manifests.parse(run, stored),
                (Ok(_), Ok(_)) => Ok(None),
                (Err(error), _) | (_, Err(error)) => Err(self.io.fault(run.as_str(), &error)),
            };
            match manifest {
                Ok(Some(manifest)) => {
                    let request = &manifest.request;
                    if listing.wants(manifest.status, Some(&request.brand_id), &request.principal) {
                        wanted.push(summary(manifest));
                    }
                }
                Ok(None) => {}
                // An unreadable run must not hide the others.
                Err(error) => {
                    tracing::warn!(event = "run_list_entry_unreadable", run_id = %run, %error, "a run cannot be listed")
                }
            }
        }
        wanted
    }
}

fn summary(manifest: Manifest) -> RunSummary {
    RunSummary {
        stages: manifest.stages.len(),
        id: manifest.run_id,
        status: manifest.status,
        generation: manifest.generation,
        source: manifest.request.source,
        brand_id: Some(manifest.request.brand_id),
        principal: manifest.request.principal,
        created_at: manifest.accepted_at,
        finished_at: manifest.finished_at,
        failure: manifest.error,
    }
}
