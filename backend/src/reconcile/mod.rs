//! Reconciliation: what went to files while the database was away is replayed into it, proved equal, and noted.
//!
//! One code path, whoever starts it: the clock, the breaker that closes, a flip of the flags, an operator. It knows
//! nothing but the state of both stores, so it may be killed anywhere and begun anew.

pub mod plan;
pub mod verify;

use std::{
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
use tokio::sync::Notify;

use self::plan::{Plan, differences, plan};
use crate::{
    crash,
    storage::{
        End, Fence, NewRun, Snapshot, StorageError, StorageErrorKind, Store as _,
        files::FileStore,
        proof::{Mirror, Proof},
        router::Router,
    },
    telemetry::metrics,
};

/// Between two passes that nobody asked for: marks are few, so a look costs a folder's listing.
const INTERVAL: Duration = Duration::from_secs(30);

/// Runs brought back at once: a third of the default pool, so that live traffic keeps its latency.
const CONCURRENCY: usize = 5;

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
    /// It was deleted, or has no files.
    Gone,
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
            Outcome::Left | Outcome::Gone => self.left += 1,
            Outcome::Conflict { .. } => self.conflicts.push(run),
            Outcome::Failed { .. } => self.failed.push(run),
        }
    }

    /// Whether nothing is left over that a pass should have settled.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.conflicts.is_empty() && self.failed.is_empty()
    }
}

/// How reconciliation stands, for health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub last_pass: Option<Summary>,
    #[serde(serialize_with = "optional_time")]
    pub last_pass_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_time")]
    pub last_proof_at: Option<Timestamp>,
    /// Stage outputs a second in the last pass that wrote any.
    pub stages_per_second: Option<u64>,
}

fn optional_time<S: serde::Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => pipeline::record::millis::serialize(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// Brings rows up to what the files hold.
#[derive(Debug)]
pub struct Reconciler {
    router: Arc<Router>,
    mirror: Arc<dyn Mirror>,
    clock: Arc<dyn Clock>,
    /// In whose name rows are taken: not the worker's, which would renew them.
    owner: String,
    asked: Notify,
    standing: Mutex<Standing>,
}

impl Reconciler {
    #[must_use]
    pub fn new(router: Arc<Router>, mirror: Arc<dyn Mirror>, clock: Arc<dyn Clock>) -> Self {
        let owner = format!("reconciler-{}", uuid::Uuid::now_v7());
        Self { router, mirror, clock, owner, asked: Notify::new(), standing: Mutex::default() }
    }

    /// How reconciliation stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a pass now.
    pub fn wake(&self) {
        self.asked.notify_one();
    }

    /// Passes whenever there is a reason, for ever; none while the database is switched off or away.
    pub async fn run(&self) {
        loop {
            if self.router.is_database_open() {
                self.pass().await;
            }
            tokio::select! {
                () = self.asked.notified() => {}
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// The runs that are marked as lacking something in the database.
    pub async fn marked(&self) -> Result<Vec<RunId>, StorageError> {
        self.files().unsynced_runs().await
    }

    /// What would be done with a run, in words.
    pub async fn preview(&self, run: &RunId) -> Result<String, StorageError> {
        let Some(file) = self.files().load(run).await? else { return Ok("has no files here".to_owned()) };
        let looked = self.look(run).await?;
        Ok(match plan(looked.as_ref().map(|(row, _)| row), &file) {
            Plan::Leave => "left to who works on it".to_owned(),
            Plan::Replay { stages } => format!("{} stages and its end would be written", stages.len()),
            Plan::Fill { stages } if stages.is_empty() => "would be proved".to_owned(),
            Plan::Fill { stages } => format!("{} stages would be written", stages.len()),
            Plan::Conflict { numbers } => format!("conflict in {numbers:?}; nothing would be written"),
        })
    }

    /// One pass over everything that is marked.
    pub async fn pass(&self) -> Summary {
        let runs = match self.files().unsynced_runs().await {
            Ok(runs) if runs.is_empty() => return Summary::default(),
            Ok(runs) => runs,
            Err(error) => {
                tracing::warn!(%error, "what is unsynced cannot be read");
                return Summary::default();
            }
        };
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
        standing.last_pass = Some(summary.clone());
        summary
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
                Outcome::Proved { .. } | Outcome::Left | Outcome::Gone => {}
            }
            summary.add(run, &outcome);
        }
        summary
    }

    /// Brings one run's row up to its files, and proves it.
    pub async fn reconcile_one(&self, run: &RunId) -> Outcome {
        match self.try_reconcile(run).await {
            Ok(outcome) => outcome,
            // Somebody took it meanwhile: it is theirs.
            Err(error) if error.kind == StorageErrorKind::Fenced => Outcome::Left,
            Err(error) => Outcome::Failed { reason: error.message },
        }
    }

    async fn try_reconcile(&self, run: &RunId) -> Result<Outcome, StorageError> {
        let Some(file) = self.files().load(run).await? else { return Ok(Outcome::Gone) };
        let mut stages_written = 0;
        for _ in 0..ROUNDS_MAX {
            let looked = self.look(run).await?;
            let (row, version) = match &looked {
                Some((row, version)) => (Some(row), Some(version)),
                None => (None, None),
            };
            match (plan(row, &file), row.zip(version)) {
                (Plan::Leave, _) => return Ok(Outcome::Left),
                (Plan::Conflict { numbers }, _) => {
                    self.call(|mirror| async { mirror.note_conflicts(run, &numbers).await }).await?;
                    return Ok(Outcome::Conflict { numbers });
                }
                (Plan::Replay { .. }, row) => {
                    stages_written += self.replay(&file, row.map(|(row, _)| row)).await?;
                }
                (Plan::Fill { stages }, Some((row, version))) if stages.is_empty() => {
                    if let (None, Some(report)) = (&row.report, &file.report) {
                        self.call(|mirror| async { mirror.fill_report(run, file.generation, report).await })
                            .await?;
                        continue;
                    }
                    if self.prove(row, &file, version).await? {
                        metrics::stages_reconciled(stages_written);
                        return Ok(Outcome::Proved { stages_written });
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
        Ok(Outcome::Failed { reason: "the row kept changing while it was to be proved".to_owned() })
    }

    /// Takes the run's row, or enters one, and gives it everything up to its end.
    async fn replay(&self, file: &Snapshot, row: Option<&Snapshot>) -> Result<usize, StorageError> {
        let (Some(request), Some(accepted_at)) = (file.request.clone(), file.accepted_at) else {
            return Err(StorageError::new(
                StorageErrorKind::Refused,
                "the manifest does not say what was asked",
            ));
        };
        let new = NewRun { id: file.id.clone(), request, accepted_at };
        let epoch = file.epoch.max(row.map_or(0, |row| row.epoch)) + 1;
        let fence = Fence {
            run: file.id.clone(),
            owner: self.owner.clone(),
            epoch,
            generation: file.generation,
            attempt: 0,
            holds_row: true,
        };
        self.call(|mirror| async { mirror.adopt(&new, &fence).await }).await?;
        crash::point("reconcile-adopted");
        let mut written = 0;
        for (stage, held) in &file.stages {
            if row.is_none_or(|row| !row.stages.contains_key(stage)) {
                self.call(|mirror| async { mirror.store_stage(&fence, &held.record).await }).await?;
                written += 1;
                crash::point("reconcile-stage-stored");
            }
        }
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
        self.call(|mirror| async { mirror.finish(&fence, end, at).await }).await?;
        crash::point("reconcile-ended");
        Ok(written)
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

    async fn look(&self, run: &RunId) -> Result<Option<(Snapshot, String)>, StorageError> {
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
        match self.router.database() {
            Some(database) => database.call(|_| call(&*self.mirror)).await,
            None => Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set")),
        }
    }
}
