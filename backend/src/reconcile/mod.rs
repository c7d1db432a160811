//! Reconciliation: what went to files while the database was away is replayed into it, proved equal, and noted.
//!
//! One code path, whoever starts it: the clock, the breaker that closes, a flip of the flags, an operator. It knows
//! nothing but the state of both stores, so it may be killed anywhere and begun anew.

pub mod export;
pub mod plan;
mod repair;
pub mod resolve;
mod rowless;
mod tidy;
pub mod verify;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use pipeline::{
    clock::{Clock, Timestamp},
    record::StageRecord,
    run::{RunId, RunStatus},
};
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use self::{
    plan::{Plan, differences, plan},
    repair::with_damage,
    rowless::Wanted,
};
use crate::{
    crash,
    storage::{
        End, Fence, NewRun, Snapshot, StorageError, StorageErrorKind, Store as _,
        files::{FileStore, manifest::optional_millis},
        proof::{Mirror, Proof, Row},
        router::Router,
    },
    telemetry::metrics,
    worker::Worker,
};

/// Between two passes that nobody asked for. A look costs a folder's listing; and what this process has ended in files
/// must be in the database before its lease there has ended, or another replica begins it anew.
const INTERVAL: Duration = Duration::from_secs(2);

/// Before a run that could not be settled is tried again: doubled each time, at most the second.
const DEFERRALS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// Between two looks for runs that are open in files and have ended in the database.
const TIDY_INTERVAL: Duration = Duration::from_secs(30);

/// Runs that one statement asks for.
const TIDY_BATCH: usize = 500;

/// Runs brought back at once: enough for the flushes of their manifests to overlap with the work of the database …
const CONCURRENCY: usize = 24;

/// … and how many of them use the database at once: about half of the default pool, so that live traffic keeps its latency.
const DATABASE_CALLS_MAX: usize = 8;

/// Between two attempts to bring everything into the database before the process ends.
const PUSH_AGAIN: Duration = Duration::from_millis(200);

/// Times that a row may change between its reading and its proof before the run is left to the next pass.
const ROUNDS_MAX: usize = 4;

/// What became of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Both sides hold the same, and the proof is kept.
    Proved {
        /// Stages that the database lacked.
        stages_written: usize,
    },
    /// Somebody works on it.
    Left,
    /// It has no files.
    Gone,
    /// It was deleted, and what this disk had of it is removed.
    Deleted,
    /// The database had all of it, and has no row any more: removed by its owner, or lost with an older backup.
    RowGone,
    /// Neither side knows it.
    Unknown,
    /// Both hold something, and not the same.
    Conflict { numbers: Vec<i32> },
    /// The database or the disk did not take it; the next pass tries again.
    Failed { reason: String },
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub runs: usize,
    pub proved: usize,
    pub stages_written: usize,
    pub left: usize,
    pub unknown: usize,
    pub conflicts: Vec<RunId>,
    pub failed: Vec<RunId>,
}

impl Summary {
    /// Counts one more run.
    pub fn add(&mut self, run: RunId, outcome: &Outcome) {
        self.runs += 1;
        match outcome {
            Outcome::Proved { stages_written } => {
                self.proved += 1;
                self.stages_written += stages_written;
            }
            Outcome::Left | Outcome::Gone | Outcome::Deleted | Outcome::RowGone => self.left += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Conflict { .. } => self.conflicts.push(run),
            Outcome::Failed { .. } => self.failed.push(run),
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
pub struct Standing {
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
    mirror: Arc<dyn Mirror>,
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
    standing: Mutex<Standing>,
    /// When a run may be tried again, and how long it waited the last time.
    deferred: Mutex<HashMap<RunId, (Duration, Duration)>>,
    /// The time of the last tombstone that was seen.
    buried_until: Mutex<Option<Timestamp>>,
}

impl Reconciler {
    #[must_use]
    pub fn new(
        router: Arc<Router>,
        mirror: Arc<dyn Mirror>,
        worker: Option<Worker>,
        retention: Option<Duration>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let owner = format!("reconciler-{}", uuid::Uuid::now_v7());
        Self {
            router,
            mirror,
            clock,
            owner,
            worker,
            retention,
            calls: Semaphore::new(DATABASE_CALLS_MAX),
            asked: Notify::new(),
            standing: Mutex::default(),
            deferred: Mutex::default(),
            buried_until: Mutex::default(),
        }
    }

    /// How reconciliation stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a pass now, over everything: something has changed.
    pub fn wake(&self) {
        self.lock_deferred().clear();
        self.asked.notify_one();
    }

    /// Passes whenever there is a reason, for ever; none while the database is switched off or away.
    pub async fn run(&self) {
        let mut tidied: Option<Duration> = None;
        loop {
            if self.router.is_database_open() {
                self.pass().await;
                let now = self.clock.monotonic();
                if tidied.is_none_or(|at| now.saturating_sub(at) >= TIDY_INTERVAL) {
                    match self.tidy().await {
                        Ok(()) => tidied = Some(now),
                        Err(error) => {
                            tracing::warn!(%error, "what only the database has could not be brought to the files")
                        }
                    }
                }
            }
            tokio::select! {
                () = self.asked.notified() => tidied = None,
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
    fn defer(&self, run: &RunId, outcome: &Outcome) {
        let mut deferred = self.lock_deferred();
        if matches!(outcome, Outcome::Proved { .. } | Outcome::Gone | Outcome::Deleted | Outcome::Unknown) {
            deferred.remove(run);
            return;
        }
        let waited = deferred.get(run).map_or(DEFERRALS.0 / 2, |(_, waited)| *waited);
        let wait = (waited * 2).min(DEFERRALS.1);
        deferred.insert(run.clone(), (self.clock.monotonic() + wait, wait));
    }

    fn lock_deferred(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, (Duration, Duration)>> {
        self.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runs that are marked as lacking something in the database.
    pub async fn marked(&self) -> Result<Vec<RunId>, StorageError> {
        self.files().unsynced_runs().await
    }

    /// What would be done with a run, in words.
    pub async fn preview(&self, run: &RunId) -> Result<String, StorageError> {
        let looked = self.look(run).await?;
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
                    numbers if numbers.is_empty() => "would be proved".to_owned(),
                    numbers => format!(
                        "{numbers:?} (5 is the report) would be filled on the side that lacks it, and proved"
                    ),
                }
            }
            Plan::Fill { stages } => format!("{} stages would be written", stages.len()),
            Plan::Conflict { numbers } => format!("conflict in {numbers:?}; nothing would be written"),
        })
    }

    /// One pass over everything that is marked.
    pub async fn pass(&self) -> Summary {
        let runs = match self.marked().await {
            Ok(runs) => self.due(runs),
            Err(error) => {
                tracing::warn!(%error, "what is unsynced cannot be read");
                return Summary::default();
            }
        };
        if runs.is_empty() {
            return Summary::default();
        }
        let begun = self.clock.monotonic();
        let summary = self.reconcile(runs).await;
        let elapsed = self.clock.monotonic().saturating_sub(begun);
        tracing::info!(
            runs = summary.runs,
            proved = summary.proved,
            stages_written = summary.stages_written,
            conflicts = summary.conflicts.len(),
            failed = summary.failed.len(),
            elapsed_ms = elapsed.as_millis(),
            "reconciled"
        );
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if summary.proved > 0 {
            standing.last_proof_at = Some(now);
        }
        if summary.stages_written > 0 {
            let millis = elapsed.as_millis().max(1);
            standing.stages_per_second = u64::try_from(summary.stages_written as u128 * 1_000 / millis).ok();
        }
        standing.last_pass_at = Some(now);
        standing.proved = summary.proved;
        standing.stages_written = summary.stages_written;
        standing.conflicts = summary.conflicts.len();
        standing.failed = summary.failed.len();
        summary
    }

    /// At the end of a process whose files may go with it: brings what is marked into the database, as far as it goes within
    /// the window. Returns what is left.
    pub async fn push_out(&self, window: Duration) -> Result<Vec<RunId>, StorageError> {
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
                tokio::time::sleep(PUSH_AGAIN).await;
            }
        };
        if let Ok(pushed) = tokio::time::timeout(window, pushing).await {
            let pushed: Result<(), StorageError> = pushed;
            pushed?;
        }
        self.marked().await
    }

    /// Reconciles a set of runs, a few at once.
    pub async fn reconcile(&self, runs: Vec<RunId>) -> Summary {
        let mut outcomes = stream::iter(runs)
            .map(|run| async move {
                let outcome = self.reconcile_one(&run).await;
                (run, outcome)
            })
            .buffer_unordered(CONCURRENCY);
        let mut summary = Summary::default();
        while let Some((run, outcome)) = outcomes.next().await {
            match &outcome {
                Outcome::Conflict { numbers } => {
                    tracing::error!(run_id = %run, ?numbers, "[{run}] row and files differ; both are kept");
                }
                Outcome::Failed { reason } => {
                    tracing::warn!(run_id = %run, reason, "[{run}] not reconciled yet")
                }
                Outcome::RowGone => {
                    tracing::warn!(run_id = %run, "[{run}] the database had all of it and has no row any more: removed by its owner, or lost with an older backup; innovation reconcile --missing brings it back");
                }
                Outcome::Proved { .. }
                | Outcome::Left
                | Outcome::Gone
                | Outcome::Deleted
                | Outcome::Unknown => {}
            }
            self.defer(&run, &outcome);
            summary.add(run, &outcome);
        }
        summary
    }

    /// Brings one run's row up to its files, and proves it.
    pub async fn reconcile_one(&self, run: &RunId) -> Outcome {
        self.settle(run, Wanted::ByItself).await
    }

    async fn settle(&self, run: &RunId, wanted: Wanted) -> Outcome {
        let settled = match self.try_reconcile(run, wanted).await {
            // Somebody took it meanwhile: it is theirs. Or it was deleted.
            Err(error) if error.kind == StorageErrorKind::Fenced => {
                let is_deleted = self.router.bury_here(run).await;
                is_deleted.map(|is_deleted| if is_deleted { Outcome::Deleted } else { Outcome::Left })
            }
            settled => settled,
        };
        settled.unwrap_or_else(|error| Outcome::Failed { reason: error.message })
    }

    async fn try_reconcile(&self, run: &RunId, wanted: Wanted) -> Result<Outcome, StorageError> {
        let Some(mut file) = self.load_or_mend(run).await? else { return Ok(Outcome::Gone) };
        let mut stages_written = 0;
        for _ in 0..ROUNDS_MAX {
            let mut row = self.look(run).await?;
            if let Some(row) = &mut row
                && self.is_ours(row)
            {
                // Ended in files while the database was away, under a lease that is still on the row.
                row.snapshot.is_leased = false;
            }
            if row.is_none()
                && let Some(outcome) = self.without_row(run, wanted).await?
            {
                return Ok(outcome);
            }
            match (with_damage(plan(row.as_ref().map(|row| &row.snapshot), &file), row.as_ref()), &row) {
                (Plan::Leave, _) => return Ok(Outcome::Left),
                (Plan::Conflict { numbers }, _) => {
                    self.call(|mirror| async { mirror.note_conflicts(run, &numbers).await }).await?;
                    return Ok(Outcome::Conflict { numbers });
                }
                (Plan::Replay { .. }, row) => stages_written += self.replay(&file, row.as_ref()).await?,
                (Plan::Fill { stages }, Some(row)) if stages.is_empty() => {
                    if let (None, Some(report)) = (&row.snapshot.report, &file.report) {
                        self.call(|mirror| async { mirror.fill_report(run, file.generation, report).await })
                            .await?;
                        continue;
                    }
                    if self.prove(&row.snapshot, &file, &row.version).await? {
                        metrics::stages_reconciled(stages_written);
                        return Ok(Outcome::Proved { stages_written });
                    }
                    // The row has changed, or the files have got what they lacked.
                    match self.files().load(run).await? {
                        Some(now) => file = now,
                        None => return Ok(Outcome::Gone),
                    }
                }
                (Plan::Fill { stages }, _) => {
                    for held in stages.iter().filter_map(|stage| file.stages.get(stage)) {
                        let record = &held.record;
                        self.call(|mirror| async { mirror.fill_stage(run, file.generation, record).await })
                            .await?;
                        stages_written += 1;
                    }
                }
            }
        }
        match self.look(run).await?.map(|row| differences(&row.snapshot, &file)) {
            // What neither side could be filled with: an operator's.
            Some(numbers) if !numbers.is_empty() => {
                self.call(|mirror| async { mirror.note_conflicts(run, &numbers).await }).await?;
                Ok(Outcome::Conflict { numbers })
            }
            _ => Ok(Outcome::Failed {
                reason: "the row kept changing while it was to be proved; try again".to_owned(),
            }),
        }
    }

    /// Takes the run's row, or enters one, and gives it everything up to its end.
    async fn replay(&self, file: &Snapshot, row: Option<&Row>) -> Result<usize, StorageError> {
        let (Some(request), Some(accepted_at)) = (file.request.clone(), file.accepted_at) else {
            return Err(StorageError::new(
                StorageErrorKind::Refused,
                "the manifest does not say what was asked",
            ));
        };
        let new = NewRun { id: file.id.clone(), request, accepted_at };
        let mut fence = self.fence_above(file, row.map_or(0, |row| row.snapshot.epoch));
        let mut taken = None;
        match row.filter(|row| self.is_ours(row) || row.owner.as_ref() == Some(&self.owner)) {
            // The lease is there already, and its fence with it.
            Some(Row { snapshot, owner: Some(owner), .. }) if snapshot.generation == file.generation => {
                fence.owner.clone_from(owner);
                fence.epoch = snapshot.epoch;
            }
            _ => taken = Some(&new),
        }
        let lacks = |stage| row.is_none_or(|row| !row.snapshot.stages.contains_key(stage));
        let missing: Vec<&StageRecord> =
            file.stages.iter().filter(|(stage, _)| lacks(*stage)).map(|(_, held)| &held.record).collect();
        let at = file.finished_at.unwrap_or_else(|| self.clock.now());
        let records: Vec<StageRecord> = file.stages.values().map(|held| held.record.clone()).collect();
        let end = match (file.status, &file.report, &file.failure) {
            (RunStatus::Completed, Some(report), _) => End::Completed { records: &records, report },
            (_, _, Some(failure)) => End::Failed(failure),
            _ => {
                return Err(StorageError::new(
                    StorageErrorKind::Refused,
                    "its files say neither how it was completed nor why it failed",
                ));
            }
        };
        self.call(|mirror| async { mirror.replay(&fence, taken, &missing, end, at).await }).await?;
        self.router.changes().made(&file.id);
        Ok(missing.len())
    }

    /// The fence of this reconciler, above what either side has seen.
    fn fence_above(&self, file: &Snapshot, row_epoch: i32) -> Fence {
        Fence {
            run: file.id.clone(),
            owner: self.owner.clone(),
            epoch: file.epoch.max(row_epoch) + 1,
            generation: file.generation,
            attempt: 0,
            holds_row: true,
        }
    }

    /// Compares both sides at one version of the row, and keeps the proof on both. False if the row has changed.
    async fn prove(&self, row: &Snapshot, file: &Snapshot, version: &str) -> Result<bool, StorageError> {
        if !differences(row, file).is_empty() {
            // The files lack what the row has: that is theirs to fill.
            self.files().fill(row).await?;
            return Ok(false);
        }
        let proof = Proof::of(row, version.to_owned(), self.clock.now());
        if !self.call(|mirror| async { mirror.keep_proof(&proof).await }).await? {
            return Ok(false);
        }
        crash::point("reconcile-proved");
        self.files().keep_proof(&proof).await?;
        tracing::info!(run_id = %proof.run_id, "[{}] proved equal in database and files", proof.run_id);
        Ok(true)
    }

    fn files(&self) -> &FileStore {
        self.router.files()
    }

    /// Whether the lease on the row is this process's own, of a run that it has done with.
    fn is_ours(&self, row: &Row) -> bool {
        self.worker.as_ref().is_some_and(|worker| {
            row.snapshot.status == RunStatus::Processing
                && row.owner.as_deref() == Some(worker.lease().owner.as_str())
                && !worker.is_working_on(&row.snapshot.id)
        })
    }

    async fn look(&self, run: &RunId) -> Result<Option<Row>, StorageError> {
        self.call(|mirror| async { mirror.look(run).await }).await
    }

    /// Makes a call, if the database's breaker admits it.
    async fn call<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn Mirror) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        let _place = self.calls.acquire().await;
        match self.router.database() {
            Some(database) => database.call_in_turn(|_| call(&*self.mirror)).await,
            None => Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set")),
        }
    }
}
