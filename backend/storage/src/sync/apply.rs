//! One run settled: its row brought up to its files, or its files to the row, and both proved equal.

use pipeline::{
    record::StageRecord,
    run::{RunId, RunStatus},
};

use super::{
    ReconcileOutcome, Reconciler,
    missing_row::Trigger,
    plan::{Plan, differences, plan},
    rebuild::with_damage,
};
use crate::{End, Fence, Proof, Row, RunRecord, RunSubmission, StorageError, StorageErrorKind, Store as _};
use foundation::failpoints;

/// Times that a row may change between its reading and its proof before the run is left to the next pass.
const ROUNDS_MAX: usize = 4;

impl Reconciler {
    /// Brings one run's row up to its files, and proves it.
    pub async fn reconcile_one(&self, run: &RunId) -> ReconcileOutcome {
        self.apply_plan(run, Trigger::Automatic).await
    }

    pub(super) async fn apply_plan(&self, run: &RunId, trigger: Trigger) -> ReconcileOutcome {
        let kept = self.router.retained_lease(run);
        let settled =
            match self.try_reconcile(run, trigger).await {
                // Somebody took it meanwhile: it is theirs. Or it was deleted.
                Err(error) if error.kind == StorageErrorKind::Fenced => {
                    let is_deleted = self.router.purge_if_deleted(run).await;
                    is_deleted.map(|is_deleted| {
                        if is_deleted { ReconcileOutcome::Deleted } else { ReconcileOutcome::Skipped }
                    })
                }
                settled => settled,
            };
        if !matches!(&settled, Err(error) if error.is_outage()) {
            self.router.stop_retaining(&kept);
        }
        settled.unwrap_or_else(|error| ReconcileOutcome::Failed { reason: error.message })
    }

    async fn try_reconcile(&self, run: &RunId, trigger: Trigger) -> Result<ReconcileOutcome, StorageError> {
        let Some(mut file) = self.load_or_rebuild(run).await? else { return Ok(ReconcileOutcome::NoFiles) };
        let mut stages_written = 0;
        // Ending a row writes the rows of the frontend's other tables too.
        let mut has_rows = false;
        for _ in 0..ROUNDS_MAX {
            let mut row = self.read_row(run).await?;
            if let Some(row) = &mut row
                && self.is_ours(row)
            {
                // Ended in files while the database was away, under a lease that is still on the row.
                row.snapshot.is_leased = false;
            }
            if row.is_none()
                && let Some(outcome) = self.without_row(run, trigger).await?
            {
                return Ok(outcome);
            }
            match (with_damage(plan(row.as_ref().map(|row| &row.snapshot), &file), row.as_ref()), &row) {
                (Plan::Leave, Some(Row { snapshot, .. }))
                    if snapshot.generation > file.generation && snapshot.status == RunStatus::Completed =>
                {
                    // What these files held was, and is not contradicted.
                    self.files().unmark_superseded(run, snapshot.generation).await?;
                    return Ok(ReconcileOutcome::Skipped);
                }
                (Plan::Leave, _) => return Ok(ReconcileOutcome::Skipped),
                (Plan::Conflict { parts }, _) => {
                    self.call(|target| async { target.note_conflicts(run, &parts).await }).await?;
                    return Ok(ReconcileOutcome::Conflict { parts });
                }
                (Plan::Replay { .. }, row) => {
                    stages_written += self.replay(&file, row.as_ref()).await?;
                    has_rows = true;
                }
                (Plan::Fill { stages }, Some(row)) if stages.is_empty() => {
                    if let (None, Some(report)) = (&row.snapshot.report, &file.report) {
                        self.call(|target| async { target.fill_report(run, file.generation, report).await })
                            .await?;
                        continue;
                    }
                    if !has_rows {
                        self.fill_rows(&row.snapshot, &file).await?;
                        has_rows = true;
                    }
                    if self.prove(&row.snapshot, &file, &row.version).await? {
                        self.router.observer().stages_reconciled(stages_written);
                        return Ok(ReconcileOutcome::Proved { stages_written });
                    }
                    // The row has changed, or the files have got what they lacked.
                    match self.files().load(run).await? {
                        Some(now) => file = now,
                        None => return Ok(ReconcileOutcome::NoFiles),
                    }
                }
                (Plan::Fill { stages }, _) => {
                    for held in stages.iter().filter_map(|stage| file.stages.get(stage)) {
                        let record = &held.record;
                        self.call(|target| async { target.fill_stage(run, file.generation, record).await })
                            .await?;
                        stages_written += 1;
                    }
                }
            }
        }
        match self.read_row(run).await?.map(|row| differences(&row.snapshot, &file)) {
            // What neither side could be filled with: an operator's.
            Some(parts) if !parts.is_empty() => {
                self.call(|target| async { target.note_conflicts(run, &parts).await }).await?;
                Ok(ReconcileOutcome::Conflict { parts })
            }
            _ => Ok(ReconcileOutcome::Failed {
                reason: "the row kept changing while it was to be proved; try again".to_owned(),
            }),
        }
    }

    /// Takes the run's row, or enters one, and gives it everything up to its end.
    pub(super) async fn replay(&self, file: &RunRecord, row: Option<&Row>) -> Result<usize, StorageError> {
        let (Some(request), Some(accepted_at)) = (file.request.clone(), file.accepted_at) else {
            return Err(StorageError::new(
                StorageErrorKind::Invalid,
                "the manifest does not say what was asked",
            ));
        };
        let new = RunSubmission { id: file.id.clone(), request, accepted_at };
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
                    StorageErrorKind::Invalid,
                    "its files say neither how it was completed nor why it failed",
                ));
            }
        };
        self.call(|target| async { target.replay(&fence, taken, &missing, end, at).await }).await?;
        self.router.changes().publish(&file.id);
        Ok(missing.len())
    }

    /// Gives a completed row the rows of the frontend's other tables that it lacks.
    async fn fill_rows(&self, row: &RunRecord, file: &RunRecord) -> Result<(), StorageError> {
        let (RunStatus::Completed, Some(report)) = (row.status, &file.report) else { return Ok(()) };
        let records: Vec<StageRecord> = file.stages.values().map(|held| held.record.clone()).collect();
        let at = row.finished_at.or(file.finished_at).unwrap_or_else(|| self.clock.now());
        let end = End::Completed { records: &records, report };
        self.call(|target| async { target.fill_rows(&row.id, row.generation, end, at).await }).await
    }

    /// The fence of this reconciler, above what either side has seen.
    pub(super) fn fence_above(&self, file: &RunRecord, row_epoch: i32) -> Fence {
        Fence {
            run: file.id.clone(),
            owner: self.owner.clone(),
            epoch: file.epoch.max(row_epoch) + 1,
            generation: file.generation,
            attempt: 0,
            owns_row: true,
        }
    }

    /// Compares both sides at one version of the row, and keeps the proof on both. False if the row has changed.
    async fn prove(&self, row: &RunRecord, file: &RunRecord, version: &str) -> Result<bool, StorageError> {
        if !differences(row, file).is_empty() {
            // The files lack what the row has: that is theirs to fill.
            self.files().fill(row).await?;
            return Ok(false);
        }
        let proof = Proof::of(row, version.to_owned(), self.clock.now());
        if !self.call(|target| async { target.keep_proof(&proof).await }).await? {
            return Ok(false);
        }
        failpoints::hit("reconcile-proved");
        self.files().keep_proof(&proof).await?;
        tracing::info!(event = "run_proved", run_id = %proof.run_id, "[{}] proved equal in database and files", proof.run_id);
        Ok(true)
    }

    /// Whether the lease on the row is this process's own, of a run that it has done with.
    pub(super) fn is_ours(&self, row: &Row) -> bool {
        self.active.as_ref().is_some_and(|active| {
            row.snapshot.status == RunStatus::Processing
                && row.owner.as_deref() == Some(active.lease().owner.as_str())
                && (!active.is_working_on(&row.snapshot.id)
                    || self.router.retained_lease(&row.snapshot.id).is_some())
        })
    }
}
