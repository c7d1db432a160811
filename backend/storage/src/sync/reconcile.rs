//! One run reconciled: reads both sides, plans, applies, until both sides are proved equal.

use std::collections::BTreeSet;

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunId, RunStatus},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::FileStore,
    part::Part,
    ports::{
        changes::RunChanges,
        lifecycle::Fence,
        prelude::*,
        sync::{Proof, Row},
    },
    run::{End, RunRecord, RunSubmission},
    sync::{
        apply::{Applied, Hand, RowChange, Work, apply},
        compare::differences,
        outcome::ReconcileOutcome,
        plan::{FilesKnow, RowSide, Sides, Step, Trigger, plan},
        reconciler::Reconciler,
    },
};

/// How often a row may change between its reading and its proof before the run is left to the next pass.
const ROUNDS_MAX: usize = 4;

impl Reconciler {
    /// Brings both sides of one run together, and proves them equal.
    pub async fn reconcile_one(&self, run: &RunId) -> ReconcileOutcome {
        self.settle(run, Trigger::Automatic).await
    }

    pub(super) async fn settle(&self, run: &RunId, trigger: Trigger) -> ReconcileOutcome {
        let retained: Vec<Fence> = self.write_path.retained_lease(run).into_iter().collect();
        let settled = match self.try_reconcile(run, trigger).await {
            // Another process took the run meanwhile, or the run was deleted.
            Err(error) if error.kind == StorageErrorKind::Fenced => {
                let is_deleted = self.write_path.purge_if_deleted(run).await;
                is_deleted.map(|is_deleted| match is_deleted {
                    true => ReconcileOutcome::Deleted,
                    false => ReconcileOutcome::Skipped,
                })
            }
            settled => settled,
        };
        if !matches!(&settled, Err(error) if error.is_outage()) {
            self.write_path.stop_retaining(&retained);
        }
        settled.unwrap_or_else(|error| ReconcileOutcome::Failed { reason: error.message })
    }

    async fn try_reconcile(&self, run: &RunId, trigger: Trigger) -> Result<ReconcileOutcome, StorageError> {
        let Some(mut file) = self.load_or_rebuild(run).await? else { return Ok(ReconcileOutcome::NoFiles) };
        let mut stages_written = 0;
        let mut has_frontend_rows = false;
        for _ in 0..ROUNDS_MAX {
            let row = self.read_row_for(run).await?;
            let mut steps = self.plan_for(run, trigger, row.as_ref(), &file).await?;
            steps.retain(|step| !(has_frontend_rows && *step == Step::FillFrontendRows));
            let applied = self.apply_steps(&steps, row.as_ref(), &file).await?;
            stages_written += applied.stages_written;
            // The end of a row writes the rows of the frontend's other tables too.
            has_frontend_rows |= steps.contains(&Step::EndRow) || steps.contains(&Step::FillFrontendRows);
            if applied.is_proved {
                self.write_path.observer().stages_reconciled(stages_written);
                return Ok(ReconcileOutcome::Proved { stages_written });
            }
            if let Some(outcome) = outcome_of(&steps) {
                return Ok(outcome);
            }
            if steps.contains(&Step::FillFiles) || steps.contains(&Step::Prove) {
                // The files have what they lacked, or the row has changed.
                match self.files().load(run).await? {
                    Some(now) => file = now,
                    None => return Ok(ReconcileOutcome::NoFiles),
                }
            }
        }
        self.give_up(run, &file).await
    }

    /// The row, without a lease that is this process's own: the run ended in files while the database was away.
    async fn read_row_for(&self, run: &RunId) -> Result<Option<Row>, StorageError> {
        let mut row = self.read_row(run).await?;
        if let Some(row) = row.as_mut().filter(|row| self.is_ours(row)) {
            row.snapshot.is_leased = false;
        }
        Ok(row)
    }

    /// Plans the steps of a run whose sides have been read.
    pub(super) async fn plan_for(
        &self,
        run: &RunId,
        trigger: Trigger,
        row: Option<&Row>,
        file: &RunRecord,
    ) -> Result<Vec<Step>, StorageError> {
        let mut know = FilesKnow::default();
        let mut is_deleted = false;
        if row.is_none() {
            know = self.files().manifest(run).await?.as_ref().map(FilesKnow::from).unwrap_or_default();
            is_deleted = know.database_had_all()
                && self.call(|target| async move { target.is_deleted(run).await }).await?;
        }
        let damaged: Vec<Part> = row.map(|row| row.damaged.keys().copied().collect()).unwrap_or_default();
        let row = match row {
            None if is_deleted => RowSide::Deleted,
            None => RowSide::Missing,
            Some(row) => RowSide::Present {
                record: &row.snapshot,
                damaged: &damaged,
                names_caller: self.is_ours(row) || row.owner.as_ref() == Some(&self.owner),
            },
        };
        let expects_files = self.write_path.expects_files();
        Ok(plan(trigger, &Sides { row, file: Some(file), know: &know, expects_files, fence: None }))
    }

    /// Applies steps under this reconciler's fence, or under the one that is on the row already.
    pub(super) async fn apply_steps(
        &self,
        steps: &[Step],
        row: Option<&Row>,
        file: &RunRecord,
    ) -> Result<Applied, StorageError> {
        let mut fence = self.fence_above(file, row.map_or(0, |row| row.snapshot.epoch));
        if !steps.contains(&Step::TakeRow)
            && let Some(Row { snapshot, owner: Some(owner), .. }) = row
        {
            fence.owner.clone_from(owner);
            fence.epoch = snapshot.epoch;
        }
        let request = file.request.clone().zip(file.accepted_at);
        let new =
            request.map(|(request, accepted_at)| RunSubmission { id: file.id.clone(), request, accepted_at });
        let work = Work {
            run: &file.id,
            fence: &fence,
            new: new.as_ref(),
            row: row.map(|row| &row.snapshot),
            row_version: row.map(|row| row.version.as_str()),
            file: Some(file),
        };
        apply(self, steps, &work).await
    }

    /// After the last round: a part that neither side could fill is an operator's.
    async fn give_up(&self, run: &RunId, file: &RunRecord) -> Result<ReconcileOutcome, StorageError> {
        match self.read_row(run).await?.map(|row| differences(&row.snapshot, file)) {
            Some(parts) if !parts.is_empty() => {
                Hand::note_conflicts(self, run, &parts).await?;
                Ok(ReconcileOutcome::Conflict { parts })
            }
            _ => Ok(ReconcileOutcome::Failed {
                reason: "the row kept changing while it was to be proved; try again".to_owned(),
            }),
        }
    }

    /// The fence of this reconciler, above every fence that either side has seen.
    pub(super) fn fence_above(&self, file: &RunRecord, row_epoch: i32) -> Fence {
        Fence {
            run: file.id.clone(),
            owner: self.owner.clone(),
            epoch: file.epoch.max(row_epoch) + 1,
            generation: file.generation,
            attempt: 0,
            owns_row: true,
            row_stages: BTreeSet::new(),
        }
    }

    /// Whether the lease on the row is this process's own, of a run that this process has ended.
    pub(super) fn is_ours(&self, row: &Row) -> bool {
        self.active.as_ref().is_some_and(|active| {
            row.snapshot.status == RunStatus::Processing
                && row.owner.as_deref() == Some(active.lease().owner.as_str())
                && (!active.is_working_on(&row.snapshot.id)
                    || self.write_path.retained_lease(&row.snapshot.id).is_some())
        })
    }
}

/// The outcome, where the steps are the last of a run.
fn outcome_of(steps: &[Step]) -> Option<ReconcileOutcome> {
    match steps {
        [] | [Step::UnmarkSuperseded] => Some(ReconcileOutcome::Skipped),
        [Step::NoteConflict(parts)] => Some(ReconcileOutcome::Conflict { parts: parts.clone() }),
        [Step::PurgeFiles] => Some(ReconcileOutcome::Deleted),
        [Step::ReportMissingRow] => Some(ReconcileOutcome::RowMissing),
        _ => None,
    }
}

#[async_trait]
impl Hand for Reconciler {
    fn files(&self) -> &FileStore {
        self.write_path.files()
    }

    fn changes(&self) -> &RunChanges {
        self.write_path.changes()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn change_row(&self, fence: &Fence, change: RowChange<'_>) -> Result<usize, StorageError> {
        let RowChange { take, stages, end } = change;
        let Some((end, at)) = end else {
            let what = "reconciliation only changes rows that it ends";
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        };
        self.call(|target| async move { target.replay(fence, take, stages, end, at).await }).await?;
        Ok(stages.len())
    }

    async fn fill_stage(
        &self,
        run: &RunId,
        generation: i32,
        record: &StageRecord,
    ) -> Result<(), StorageError> {
        self.call(|target| async move { target.fill_stage(run, generation, record).await }).await
    }

    async fn fill_report(&self, run: &RunId, generation: i32, report: &str) -> Result<(), StorageError> {
        self.call(|target| async move { target.fill_report(run, generation, report).await }).await
    }

    async fn fill_frontend_rows(
        &self,
        row: &RunRecord,
        end: End<'_>,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        let (run, generation) = (&row.id, row.generation);
        self.call(|target| async move { target.fill_rows(run, generation, end, at).await }).await
    }

    async fn keep_proof(&self, proof: &Proof) -> Result<bool, StorageError> {
        self.call(|target| async move { target.keep_proof(proof).await }).await
    }

    async fn note_conflicts(&self, run: &RunId, parts: &[Part]) -> Result<(), StorageError> {
        self.call(|target| async move { target.note_conflicts(run, parts).await }).await
    }
}
