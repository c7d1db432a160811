//! One pass over all marked runs, and the delay before a run that could not be settled is tried again.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use pipeline::run::RunId;

use crate::{
    error::StorageError,
    part::Part,
    sync::{
        outcome::{ReconcileOutcome, ReconcileSummary},
        reconciler::Reconciler,
    },
};

/// The first and the longest delay before a run that could not be settled is tried again. The delay doubles.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// The longest delay for a conflict: a retry removes the row's note of it, and the next pass restores the note.
const CONFLICT_BACKOFF_MAX: Duration = Duration::from_secs(60);

/// The longest delay while this process retains the row's lease: clients of the database see the run as under way.
const RETAINED_BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Runs reconciled at once: enough for the flushes of their manifests to overlap with calls to the database.
const CONCURRENCY: usize = 24;

/// The wait between two attempts to write everything to the database before the process ends.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

impl Reconciler {
    /// The marked runs whose delay is over.
    fn due(&self, mut marked: Vec<RunId>) -> Vec<RunId> {
        let now = self.clock.monotonic();
        let mut deferred = self.lock_deferred();
        let all: HashSet<&RunId> = marked.iter().collect();
        deferred.retain(|run, _| all.contains(run));
        marked.retain(|run| deferred.get(run).is_none_or(|(at, _)| *at <= now));
        marked
    }

    /// Delays the next attempt at a run that could not be settled.
    fn defer(&self, run: &RunId, outcome: &ReconcileOutcome) {
        let mut deferred = self.lock_deferred();
        if matches!(
            outcome,
            ReconcileOutcome::Proved { .. }
                | ReconcileOutcome::NoFiles
                | ReconcileOutcome::Deleted
                | ReconcileOutcome::Unknown
        ) {
            deferred.remove(run);
            return;
        }
        let waited = deferred.get(run).map_or(BACKOFF.0 / 2, |(_, waited)| *waited);
        let longest = match outcome {
            _ if self.write_path.retained_lease(run).is_some() => RETAINED_BACKOFF_MAX,
            ReconcileOutcome::Conflict { .. } => CONFLICT_BACKOFF_MAX,
            _ => BACKOFF.1,
        };
        let wait = (waited * 2).min(longest);
        deferred.insert(run.clone(), (self.clock.monotonic() + wait, wait));
    }

    pub(super) fn lock_deferred(&self) -> parking_lot::MutexGuard<'_, HashMap<RunId, (Duration, Duration)>> {
        self.deferred.lock()
    }

    /// The runs that are marked as lacking something in the database.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the marks cannot be read. `Indeterminate` if the files do not answer in time.
    pub async fn marked(&self) -> Result<Vec<RunId>, StorageError> {
        // The worker marks a run before it retains its lease. A retained lease without a mark belongs to a run that somebody has
        // reopened, so its lease need not be renewed.
        let mut unmarked = self.write_path.retained_leases();
        let marked = self.files().unsynced_runs().await?;
        if !unmarked.is_empty() {
            let marked: HashSet<&RunId> = marked.iter().collect();
            unmarked.retain(|fence| !marked.contains(&fence.run));
            self.write_path.stop_retaining(&unmarked);
        }
        Ok(marked)
    }

    /// One pass over everything that is marked.
    pub async fn pass(&self) -> ReconcileSummary {
        let runs = match self.marked().await {
            Ok(marked) => {
                // Another run's pass says nothing of these.
                let all: HashSet<&RunId> = marked.iter().collect();
                self.failed.lock().retain(|run| all.contains(run));
                self.due(marked)
            }
            Err(error) => {
                tracing::warn!(event = "unsynced_runs_unreadable", %error, "what is unsynced cannot be read");
                return ReconcileSummary::default();
            }
        };
        if runs.is_empty() {
            return ReconcileSummary::default();
        }
        let begun = self.clock.monotonic();
        let summary = self.reconcile(runs.clone()).await;
        {
            let mut failed = self.failed.lock();
            failed.retain(|run| !runs.contains(run));
            failed.extend(summary.failed.iter().cloned());
        }
        let elapsed = self.clock.monotonic().saturating_sub(begun);
        tracing::info!(
            event = "reconcile_pass_finished",
            runs = summary.runs,
            proved = summary.proved,
            stages_written = summary.stages_written,
            conflicts = summary.conflicts.len(),
            failed = summary.failed.len(),
            elapsed_ms = elapsed.as_millis(),
            "reconciled"
        );
        let mut status = self.status.lock();
        let now = self.clock.now();
        if summary.proved > 0 {
            status.last_proof_at = Some(now);
        }
        if summary.stages_written > 0 {
            let millis = elapsed.as_millis().max(1);
            status.stages_per_second = u64::try_from(summary.stages_written as u128 * 1_000 / millis).ok();
        }
        status.last_pass_at = Some(now);
        status.proved = summary.proved;
        status.stages_written = summary.stages_written;
        status.conflicts = summary.conflicts.len();
        summary
    }

    /// At the end of a process whose files may go with it: brings what is marked into the database, as far as it goes within
    /// the window. Returns what is left.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the marks cannot be read. `Indeterminate` if the files do not answer in time.
    pub async fn flush_before_exit(&self, window: Duration) -> Result<Vec<RunId>, StorageError> {
        let pushing = async {
            loop {
                let marked = self.marked().await?;
                // Switched off is the operator's word.
                if marked.is_empty() || !self.write_path.is_database_expected() {
                    return Ok(());
                }
                if self.write_path.is_database_open() {
                    let count = marked.len();
                    let summary = self.reconcile(marked).await;
                    if summary.conflicts.len() + summary.left == count {
                        return Ok(());
                    }
                }
                tokio::time::sleep(FLUSH_INTERVAL).await;
            }
        };
        if let Ok(pushed) = tokio::time::timeout(window, pushing).await {
            let pushed: Result<(), StorageError> = pushed;
            pushed?;
        }
        self.marked().await
    }

    /// Reconciles a set of runs, a few at once.
    pub async fn reconcile(&self, runs: Vec<RunId>) -> ReconcileSummary {
        let mut outcomes = stream::iter(runs)
            .map(|run| async move {
                let outcome = self.reconcile_one(&run).await;
                (run, outcome)
            })
            .buffer_unordered(CONCURRENCY);
        let mut summary = ReconcileSummary::default();
        while let Some((run, outcome)) = outcomes.next().await {
            match &outcome {
                ReconcileOutcome::Conflict { parts } => {
                    tracing::error!(event = "sync_conflict_found", run_id = %run, numbers = ?Part::numbers(parts), "[{run}] row and files differ; both are kept");
                }
                ReconcileOutcome::Failed { reason } => {
                    tracing::warn!(event = "reconcile_postponed", run_id = %run, reason, "[{run}] not reconciled yet")
                }
                ReconcileOutcome::RowMissing => {
                    tracing::warn!(event = "row_missing", run_id = %run, "[{run}] the database had all of it and has no row any more: removed by its owner, or lost with an older backup; innovation reconcile --restore-rows brings it back");
                }
                ReconcileOutcome::Proved { .. }
                | ReconcileOutcome::Skipped
                | ReconcileOutcome::NoFiles
                | ReconcileOutcome::Deleted
                | ReconcileOutcome::Unknown => {}
            }
            self.defer(&run, &outcome);
            summary.add(run, &outcome);
        }
        summary
    }
}
