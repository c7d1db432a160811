//! Figures of the cache, and the removal of its entries.

use std::{sync::Arc, time::Duration};

use pipeline::run::RunId;
use serde_json::json;
use storage::{
    StorageError,
    control_plane::{AnswerPurge, AnswerStats, AnswerStore, Principal},
    router::Router,
};

use crate::audit::{Actor, Audit};

/// The most owners that are listed. Each is a key or a rotated one.
const OWNERS_MAX: usize = 1_000;

/// How many entries one statement removes, so that it ends within its time limit.
const EXPIRED_MAX: usize = 1_000;

/// Looks after the entries.
#[derive(Debug, Clone)]
pub struct AnswerAdmin {
    /// None without a database.
    pub store: Option<Arc<dyn AnswerStore>>,
    pub router: Arc<Router>,
    pub audit: Audit,
    pub keep: Duration,
}

impl AnswerAdmin {
    /// The entries of each owner in the database. None without one.
    ///
    /// # Errors
    ///
    /// The error of the database.
    pub async fn stats(&self) -> Result<Option<Vec<AnswerStats>>, StorageError> {
        let Some(store) = &self.store else { return Ok(None) };
        store.stats(OWNERS_MAX).await.map(Some)
    }

    /// Removes answers from the database, and leaves a record. Returns how many; None without a database.
    ///
    /// # Errors
    ///
    /// The error of the database.
    pub async fn purge(&self, what: &AnswerPurge, actor: &Actor) -> Result<Option<usize>, StorageError> {
        let Some(store) = &self.store else { return Ok(None) };
        let target = what.principal.as_ref().map_or("all", |principal| principal.as_str());
        let mut record = self.audit.describe(actor, "cache.purge", target);
        record.old = Some(json!({ "older_than_seconds": what.older_than.map(|age| age.as_secs()) }));
        store.purge(what, &record).await.map(Some)
    }

    /// The database, if it is used now.
    fn open_store(&self) -> Option<&Arc<dyn AnswerStore>> {
        self.store.as_ref().filter(|_| self.router.is_database_open())
    }

    /// Notes that a run may neither use nor leave answers, for whichever replica executes it. If the database is away, the run's
    /// manifest says it.
    pub async fn opt_out(&self, run: &RunId, principal: &Principal) {
        let Some(store) = self.open_store() else { return };
        if let Err(error) = store.opt_out(run, principal).await {
            tracing::warn!(event = "cache_opt_out_not_stored", run_id = %run, %error, "[{run}] its request says cache: off, which could not be stored; only this replica knows it");
        }
    }

    /// Removes what is stored of a deleted run. If a store is away, [`Self::expire`] does it later.
    pub async fn forget_run(&self, run: &RunId) {
        let mut results = Vec::new();
        if let Some(store) = self.open_store() {
            results.push(store.forget_run(run).await);
        }
        if self.router.expects_files() {
            results.push(self.router.files().forget_answers(run).await);
        }
        for error in results.into_iter().filter_map(Result::err) {
            tracing::warn!(event = "cached_answers_not_removed", run_id = %run, %error, "[{run}] the cached answers of a deleted run could not be removed; will retry");
        }
    }

    /// Removes what is too old or belongs to no run any more. Returns how many entries.
    ///
    /// # Errors
    ///
    /// The error of the database, or of the files.
    pub async fn expire(&self) -> Result<usize, StorageError> {
        let mut removed = 0;
        while let Some(store) = self.open_store() {
            let now = store.expire(self.keep, EXPIRED_MAX).await?;
            removed += now;
            if now < EXPIRED_MAX {
                break;
            }
        }
        if self.router.expects_files() {
            removed += self.router.files().expire_answers(self.keep).await?;
        }
        Ok(removed)
    }
}
