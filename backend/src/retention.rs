//! What is kept no longer than `RETENTION_DAYS`: the files of ended runs, tombstones, and what is known of messages that
//! were delivered. Rows of runs are the frontend's, and stay.

use std::{sync::Arc, time::Duration};

use pipeline::{
    clock::{Clock, Timestamp},
    run::RunId,
};
use tokio_util::sync::CancellationToken;

use crate::{
    reconcile::{Reconciler, verify::Comparison},
    telemetry::metrics,
};
use storage::{StorageError, SyncTarget, files::FileStore, router::Router};

/// Between two passes. The unit is a day; an hour keeps each pass small.
const INTERVAL: Duration = Duration::from_secs(3600);

/// After one that could not be ended: a store was away.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// Runs, or rows, that are removed in one go.
const BATCH: usize = 500;

/// Between two batches: live traffic goes first.
const PAUSE: Duration = Duration::from_millis(200);

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionSummary {
    /// Runs and tombstones whose files went.
    pub files: usize,
    /// Tombstones and settled deliveries that went from the database.
    pub rows: usize,
    /// Runs that are old enough and stay: their row is missing, or does not hold the same.
    pub kept: usize,
}

impl RetentionSummary {
    fn tell(self) {
        let Self { files, rows, kept } = self;
        if files + rows > 0 {
            tracing::info!(
                event = "expired_removed",
                files,
                rows,
                audit = "expired",
                "what is older than RETENTION_DAYS is removed"
            );
        }
        if kept > 0 {
            tracing::warn!(
                event = "expired_kept",
                kept,
                "files that are old enough stay: the database is not asked, or their rows do not hold the same; innovation reconcile --verify --all names those"
            );
        }
    }
}

/// Removes what has been kept long enough. It has no state of its own: a pass that was cut short is gone on with by the
/// next.
#[derive(Debug, Clone)]
pub struct Retention {
    pub router: Arc<Router>,
    /// None without a database.
    pub database: Option<(Arc<Reconciler>, Arc<dyn SyncTarget>)>,
    pub clock: Arc<dyn Clock>,
    pub keep: Duration,
}

impl Retention {
    /// Passes now and again, until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        while let Some(passed) = stop.run_until_cancelled(self.pass()).await {
            let wait = match passed {
                Ok(summary) => {
                    summary.tell();
                    INTERVAL
                }
                Err(error) => {
                    tracing::warn!(event = "retention_failed", %error, "what is too old could not all be removed; will retry");
                    RETRY_INTERVAL
                }
            };
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// One pass over everything.
    pub async fn pass(&self) -> Result<RetentionSummary, StorageError> {
        let mut summary = RetentionSummary::default();
        let keep = chrono::TimeDelta::from_std(self.keep).unwrap_or(chrono::TimeDelta::MAX);
        let Some(before) = self.clock.now().checked_sub_signed(keep) else { return Ok(summary) };
        // Before a tombstone goes, this disk has obeyed it.
        if let Some((reconciler, _)) = self.database.as_ref().filter(|_| self.router.is_database_open()) {
            reconciler.sync_tombstones().await?;
        }
        let old = self.files().unchanged_since(before).await?;
        for batch in old.chunks(BATCH) {
            for run in batch {
                if !self.is_elsewhere(run).await? {
                    summary.kept += 1;
                } else if self.files().expire(run, before).await? {
                    summary.files += 1;
                    metrics::run_expired();
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        summary.rows = self.expire_rows(before).await?;
        Ok(summary)
    }

    /// Whether the files are not the only copy of something that the database is meant to have.
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

    async fn expire_rows(&self, before: Timestamp) -> Result<usize, StorageError> {
        let Some((_, target)) = self.database.as_ref().filter(|_| self.router.is_database_open()) else {
            return Ok(0);
        };
        let mut all = 0;
        loop {
            let expired = target.expire(before, BATCH).await?;
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
