//! Removes data after `RETENTION_DAYS`: the files of ended runs and records of finished webhooks; and tombstones after
//! `TOMBSTONE_RETENTION_DAYS`. Rows of runs belong to the frontend, and stay.

use std::{sync::Arc, time::Duration};

use pipeline::{
    clock::{Clock, Timestamp},
    run::RunId,
};

use crate::telemetry::metrics;
use storage::{
    Expiry, StorageError, SyncTarget,
    files::FileStore,
    router::Router,
    sync::{Reconciler, verify::Comparison},
};

/// How many runs or rows are removed at once.
const BATCH: usize = 500;

/// The wait between two batches, so that live traffic comes first.
const PAUSE: Duration = Duration::from_millis(200);

/// The result of a pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionSummary {
    /// Runs and tombstones whose files were removed.
    pub files: usize,
    /// Tombstones and finished deliveries that were removed from the database.
    pub rows: usize,
    /// Runs that are old enough and stay, because their row is missing or differs.
    pub kept: usize,
}

impl RetentionSummary {
    /// Writes the result to the log.
    pub fn log(self) {
        let Self { files, rows, kept } = self;
        if files + rows > 0 {
            tracing::info!(
                event = "expired_removed",
                files,
                rows,
                audit = "expired",
                "expired data removed (RETENTION_DAYS)"
            );
        }
        if kept > 0 {
            tracing::warn!(
                event = "expired_kept",
                kept,
                "files that are old enough stay: the database is unavailable, or their rows differ; innovation reconcile --verify --all lists those"
            );
        }
    }
}

/// Removes expired data. It keeps no state, so the next pass continues an interrupted one.
#[derive(Debug, Clone)]
pub struct Retention {
    pub router: Arc<Router>,
    /// None without a database.
    pub database: Option<(Arc<Reconciler>, Arc<dyn SyncTarget>)>,
    pub clock: Arc<dyn Clock>,
    pub keep: Duration,
    pub keep_tombstones: Duration,
}

impl Retention {
    /// Runs one pass over all data.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Indeterminate` if a store fails. The next pass continues.
    pub async fn pass(&self) -> Result<RetentionSummary, StorageError> {
        let mut summary = RetentionSummary::default();
        let Some(before) = self.before(self.keep) else { return Ok(summary) };
        let deleted_before = self.before(self.keep_tombstones).unwrap_or(Timestamp::MIN_UTC);
        let expiry = Expiry { ended_before: before, deleted_before };
        // Sync tombstones first, so that this disk has obeyed each one before it is removed.
        if let Some((reconciler, _)) = self.database.as_ref().filter(|_| self.router.is_database_open()) {
            reconciler.sync_tombstones().await?;
        }
        let old = self.files().unchanged_since(before).await?;
        for batch in old.chunks(BATCH) {
            for run in batch {
                if !self.is_elsewhere(run).await? {
                    summary.kept += 1;
                } else if self.files().expire(run, expiry).await? {
                    summary.files += 1;
                    metrics::run_expired();
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        summary.rows = self.expire_rows(expiry).await?;
        Ok(summary)
    }

    /// The time that long ago. None if no time is that long ago.
    fn before(&self, keep: Duration) -> Option<Timestamp> {
        let keep = chrono::TimeDelta::from_std(keep).unwrap_or(chrono::TimeDelta::MAX);
        self.clock.now().checked_sub_signed(keep)
    }

    /// Whether the database holds everything that it should hold of the run, so that its files may be
    /// removed.
    async fn is_elsewhere(&self, run: &RunId) -> Result<bool, StorageError> {
        let Some(manifest) = self.files().manifest(run).await? else { return Ok(true) };
        if !manifest.has_ended() || manifest.database.is_none() {
            return Ok(true);
        }
        match &self.database {
            Some((reconciler, _)) if self.router.is_database_open() => {
                Ok(reconciler.compare(run).await? == Comparison::Equal)
            }
            _ => Ok(false),
        }
    }

    async fn expire_rows(&self, expiry: Expiry) -> Result<usize, StorageError> {
        let Some((_, target)) = self.database.as_ref().filter(|_| self.router.is_database_open()) else {
            return Ok(0);
        };
        let mut all = 0;
        loop {
            let expired = target.expire(expiry, BATCH).await?;
            all += expired;
            if expired < BATCH {
                return Ok(all);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn files(&self) -> &FileStore {
        self.router.files()
    }
}
