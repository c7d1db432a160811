//! Runs read from both stores: one run merged, the list from the store that has them all.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::run::RunId;

use crate::{
    error::StorageError,
    ports::listing::{FrontendRun, Listing, RunPage, RunQueries},
    router::{
        both_sides::{BothSides, ReadPurpose},
        core::Router,
    },
    run::RunRecord,
};

/// How long a list waits for the tombstones of the files. A bucket answers a hundred small reads in well under a second.
const TOMBSTONES_TIMEOUT: Duration = Duration::from_secs(1);

#[async_trait]
impl RunQueries for Router {
    async fn load(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        self.read_both(run, ReadPurpose::Display).await.map(BothSides::merged)
    }

    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        let mode = self.mode();
        if let Some(database) = self.database.as_ref().filter(|_| mode.has_database()) {
            match database.read(|store| async move { store.list(listing).await }).await {
                Err(error) if error.is_outage() && mode.has_files() => {
                    tracing::warn!(event = "run_list_from_files", %error, "the list of runs comes from this replica's files");
                }
                listed if mode.has_files() => return Ok(self.without_deleted(listed?).await),
                listed => return listed,
            }
        }
        self.files.list(listing).await
    }

    async fn frontend_run(&self, run: &RunId) -> Result<Option<FrontendRun>, StorageError> {
        match self.database.as_ref().filter(|_| self.mode().has_database()) {
            Some(database) => database.read(|store| async move { store.frontend_run(run).await }).await,
            None => Ok(None),
        }
    }
}

impl Router {
    /// Removes rows that came back with an older backup, of runs that the files say are deleted. Files that cannot be read
    /// in time hide no row.
    async fn without_deleted(&self, mut page: RunPage) -> RunPage {
        let runs: Vec<RunId> = page.runs.iter().map(|run| run.id.clone()).collect();
        let looking = tokio::time::timeout(TOMBSTONES_TIMEOUT, self.files.deleted_among(runs));
        if let Ok(Ok(deleted)) = looking.await
            && !deleted.is_empty()
        {
            page.runs.retain(|run| !deleted.contains(&run.id));
        }
        page
    }
}
