//! Reconciliation: what went to files while the database was away is replayed into it, proved equal, and noted.
//!
//! One code path, whoever starts it: the clock, the breaker that closes, a flip of the flags, an operator. It knows
//! nothing but the state of both stores, so it may be killed anywhere and begun anew.

mod apply_plan;
pub mod export;
mod missing_row;
pub mod plan;
mod repair;
pub mod resolve;
mod sweep;
pub mod verify;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use pipeline::{
    clock::{Clock, Timestamp},
    run::RunId,
};
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use self::{
    plan::{Plan, differences, plan},
    repair::with_damage,
};
use crate::worker::Worker;
use storage::{
    Part, Row, StorageError, StorageErrorKind, Store as _, SyncTarget, files::FileStore, optional_millis,
    router::Router,
};

/// Between two passes that nobody asked for. A look costs a folder's listing; and what this process has ended in files
/// must be in the database before its lease there has ended, or another replica begins it anew.
const INTERVAL: Duration = Duration::from_secs(2);

/// Before a run that could not be settled is tried again: doubled each time, at most the second.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// The most that is left of that for a conflict: a retry takes the row's note of it away, and the next look puts it back.
const CONFLICT_BACKOFF_MAX: Duration = Duration::from_secs(60);

/// The most that is left of that where the lease of the run's row is kept for it, and clients of the database see it run.
const RETAINED_BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Between two looks for runs that are open in files and have ended in the database.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Runs that one statement asks for.
const SWEEP_BATCH: usize = 500;

/// Runs brought back at once: enough for the flushes of their manifests to overlap with the work of the database …
const CONCURRENCY: usize = 24;

/// … and how many of them use the database at once: about half of the default pool, so that live traffic keeps its latency.
const DATABASE_CALLS_MAX: usize = 8;

/// Between two attempts to bring everything into the database before the process ends.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

/// What became of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReconcileOutcome {
    /// Both sides hold the same, and the proof is kept.
    Proved {
        /// Stages that the database lacked.
        stages_written: usize,
    },
    /// Somebody works on it.
    Skipped,
    /// It has no files.
    NoFiles,
    /// It was deleted, and what this disk had of it is removed.
    Deleted,
    /// The database had all of it, and has no row any more: removed by its owner, or lost with an older backup.
    RowMissing,
    /// Neither side knows it.
    Unknown,
    /// Both hold something, and not the same.
    Conflict {
        #[serde(rename = "numbers")]
        parts: Vec<Part>,
    },
    /// The database or the disk did not take it; the next pass tries again.
    Failed { reason: String },
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileSummary {
    pub runs: usize,
    pub proved: usize,
    pub stages_written: usize,
    pub left: usize,
    pub unknown: usize,
    pub conflicts: Vec<RunId>,
    pub failed: Vec<RunId>,
}

impl ReconcileSummary {
    /// Counts one more run.
    pub fn add(&mut self, run: RunId, outcome: &ReconcileOutcome) {
        self.runs += 1;
        match outcome {
            ReconcileOutcome::Proved { stages_written } => {
                self.proved += 1;
                self.stages_written += stages_written;
            }
            ReconcileOutcome::Skipped
            | ReconcileOutcome::NoFiles
            | ReconcileOutcome::Deleted
            | ReconcileOutcome::RowMissing => self.left += 1,
            ReconcileOutcome::Unknown => self.unknown += 1,
            ReconcileOutcome::Conflict { .. } => self.conflicts.push(run),
            ReconcileOutcome::Failed { .. } => self.failed.push(run),
        }
    }

    /// Whether nothing is left over that a pass should have settled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.conflicts.is_empty() && self.failed.is_empty() && self.unknown == 0
    }
}

/// How reconciliation stands, for health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ReconcileStatus {
    /// Of the last pass that had something to do. Run ids stand in the log and in the command's answer.
    pub proved: usize,
    pub stages_written: usize,
    /// Runs of which row and files hold different records now; while the database is away, of the last pass.
    pub conflicts: usize,
    pub failed: usize,
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub last_pass_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub last_proof_at: Option<Timestamp>,
    /// Stage outputs a second in the last pass that wrote any.
    pub stages_per_second: Option<u64>,
}

/// Brings rows up to what the files hold.
#[derive(Debug)]
pub struct Reconciler {
    router: Arc<Router>,
    target: Arc<dyn SyncTarget>,
    clock: Arc<dyn Clock>,
    /// In whose name rows are taken: not the worker's, which would renew them.
    owner: String,
    /// Whose leases are this process's own; none for a command.
    worker: Option<Worker>,
    /// How long the files of ended runs are kept; none: for ever.
    retention: Option<Duration>,
    /// Fair, and never closed.
    calls: Semaphore,
    asked: Notify,
    status: Mutex<ReconcileStatus>,
    /// When a run may be tried again, and how long it waited the last time.
    deferred: Mutex<HashMap<RunId, (Duration, Duration)>>,
    /// The time of the last tombstone that was seen.
    tombstones_read_until: Mutex<Option<Timestamp>>,
}

impl Reconciler {
    #[must_use]
    pub fn new(
        router: Arc<Router>,
        target: Arc<dyn SyncTarget>,
        worker: Option<Worker>,
        retention: Option<Duration>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let owner = format!("reconciler-{}", uuid::Uuid::now_v7());
        Self {
            router,
            target,
            clock,
            owner,
            worker,
            retention,
            calls: Semaphore::new(DATABASE_CALLS_MAX),
            asked: Notify::new(),
            status: Mutex::default(),
            deferred: Mutex::default(),
            tombstones_read_until: Mutex::default(),
        }
    }

    /// How reconciliation stands.
    #[must_use]
    pub fn status(&self) -> ReconcileStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a pass now, over everything: something has changed.
    pub fn wake(&self) {
        self.lock_deferred().clear();
        self.asked.notify_one();
    }

    /// Passes whenever there is a reason, for ever; none while the database is switched off or away.
    pub async fn run(&self) {
        let mut swept_at: Option<Duration> = None;
        loop {
            if self.router.is_database_open() {
                self.pass().await;
                let now = self.clock.monotonic();
                if swept_at.is_none_or(|at| now.saturating_sub(at) >= SWEEP_INTERVAL) {
                    match self.sweep().await {
                        Ok(()) => swept_at = Some(now),
                        Err(error) => {
                            tracing::warn!(event = "files_completion_failed", %error, "what only the database has could not be brought to the files")
                        }
                    }
                }
            }
            tokio::select! {
                () = self.asked.notified() => swept_at = None,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    fn is_worked_on(&self, run: &RunId) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.is_working_on(run))
    }

    /// Those of the marked runs whose turn it is.
    fn due(&self, mut marked: Vec<RunId>) -> Vec<RunId> {
        let now = self.clock.monotonic();
        let mut deferred = self.lock_deferred();
        let all: HashSet<&RunId> = marked.iter().collect();
        deferred.retain(|run, _| all.contains(run));
        marked.retain(|run| deferred.get(run).is_none_or(|(at, _)| *at <= now));
        marked
    }

    /// Leaves a run alone for a while that could not be settled.
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
            _ if self.router.retained_lease(run).is_some() => RETAINED_BACKOFF_MAX,
            ReconcileOutcome::Conflict { .. } => CONFLICT_BACKOFF_MAX,
            _ => BACKOFF.1,
        };
        let wait = (waited * 2).min(longest);
        deferred.insert(run.clone(), (self.clock.monotonic() + wait, wait));
    }

    fn lock_deferred(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, (Duration, Duration)>> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runs that are marked as lacking something in the database.
    pub async fn marked(&self) -> Result<Vec<RunId>, StorageError> {
        // Marked before their leases were kept; without the mark there is nothing to wait for: opened again, by whomever.
        let mut unmarked = self.router.retained_leases();
        let marked = self.files().unsynced_runs().await?;
        if !unmarked.is_empty() {
            let marked: HashSet<&RunId> = marked.iter().collect();
            unmarked.retain(|fence| !marked.contains(&fence.run));
            self.router.stop_retaining(&unmarked);
        }
        Ok(marked)
    }

    /// What would be done with a run, in words.
    pub async fn preview(&self, run: &RunId) -> Result<String, StorageError> {
        let looked = self.read_row(run).await?;
        let Some(file) = self.files().load(run).await? else {
            return Ok(match looked {
                None => "is unknown: neither the database nor the files have it".to_owned(),
                Some(row) if verify::is_open(&row.snapshot) => {
                    "has no files here, and has not ended".to_owned()
                }
                Some(_) => "has no readable files here; they would be made anew from its row".to_owned(),
            });
        };
        let lacks = |row: &Row| differences(&row.snapshot, &file);
        Ok(match with_damage(plan(looked.as_ref().map(|row| &row.snapshot), &file), looked.as_ref()) {
            Plan::Leave => "left to who works on it".to_owned(),
            Plan::Replay { stages } => format!("{} stages and its end would be written", stages.len()),
            Plan::Fill { stages } if stages.is_empty() => {
                match looked.as_ref().map(lacks).unwrap_or_default() {
                    parts if parts.is_empty() => "would be proved".to_owned(),
                    parts => format!(
                        "{:?} (5 is the report) would be filled on the side that lacks it, and proved",
                        Part::numbers(&parts)
                    ),
                }
            }
            Plan::Fill { stages } => format!("{} stages would be written", stages.len()),
            Plan::Conflict { parts } => {
                format!("conflict in {:?}; nothing would be written", Part::numbers(&parts))
            }
        })
    }

    /// One pass over everything that is marked.
    pub async fn pass(&self) -> ReconcileSummary {
        let runs = match self.marked().await {
            Ok(runs) => self.due(runs),
            Err(error) => {
                tracing::warn!(event = "unsynced_runs_unreadable", %error, "what is unsynced cannot be read");
                return ReconcileSummary::default();
            }
        };
        if runs.is_empty() {
            return ReconcileSummary::default();
        }
        let begun = self.clock.monotonic();
        let summary = self.reconcile(runs).await;
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
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
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
        status.failed = summary.failed.len();
        summary
    }

    /// At the end of a process whose files may go with it: brings what is marked into the database, as far as it goes within
    /// the window. Returns what is left.
    pub async fn flush_before_exit(&self, window: Duration) -> Result<Vec<RunId>, StorageError> {
        let pushing = async {
            loop {
                let marked = self.marked().await?;
                // Switched off is the operator's word.
                if marked.is_empty() || !self.router.flags().mode().has_database() {
                    return Ok(());
                }
                if self.router.is_database_open() {
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

    fn files(&self) -> &FileStore {
        self.router.files()
    }

    async fn read_row(&self, run: &RunId) -> Result<Option<Row>, StorageError> {
        self.call(|target| async { target.read_row(run).await }).await
    }

    /// Makes a call, if the database's breaker admits it.
    async fn call<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn SyncTarget) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        let _place = self.calls.acquire().await;
        match self.router.database() {
            Some(database) => database.call_queued(|_| call(&*self.target)).await,
            None => Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set")),
        }
    }
}
