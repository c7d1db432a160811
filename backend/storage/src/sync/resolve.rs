//! Settles a conflict: an operator says which side is right, and the other side's version stays beside it.

use std::collections::BTreeMap;

use pipeline::{
    record::{StageRecord, sha256_hex},
    run::{RunId, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    part::Part,
    ports::{prelude::*, sync::Row},
    run::RunRecord,
    sync::{
        compare::{differences, has_ended, holds},
        outcome::ReconcileOutcome,
        plan::{Step, Trigger},
        reconciler::Reconciler,
    },
};

/// The side whose version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The row's version. The files' version stays beside them as `*.conflict-TIME`.
    Database,
    /// The files' version. The row's version stays in the run's folder as `row.conflict-TIME.json`.
    Files,
}

impl Reconciler {
    /// Makes both sides hold what one of them holds, and proves it. Fills from the other side what one side merely lacks,
    /// whichever is kept. Leaves a run that has not ended on both.
    ///
    /// # Errors
    ///
    /// `Invalid` if the files lack what is damaged in the row, or the row's text is no record. `Unavailable` if the row
    /// changed meanwhile or a store fails.
    pub async fn resolve(&self, run: &RunId, keep: Keep) -> Result<ReconcileOutcome, StorageError> {
        let Some(file) = self.files().load(run).await? else { return Ok(self.reconcile_named(run).await) };
        let Some(row) = self.read_row(run).await? else { return Ok(self.reconcile_one(run).await) };
        let is_open = !has_ended(&row.snapshot) || !has_ended(&file);
        if row.snapshot.is_leased || is_open || row.snapshot.generation != file.generation {
            return Ok(ReconcileOutcome::Skipped);
        }
        let steps = self.plan_for(run, Trigger::Command, Some(&row), &file).await?;
        let [Step::NoteConflict(parts)] = steps.as_slice() else {
            return Ok(self.reconcile_one(run).await);
        };
        match keep {
            Keep::Database => self.keep_row(row).await?,
            Keep::Files if !self.keep_files(&row, &file, parts).await? => {
                return Ok(ReconcileOutcome::NoFiles);
            }
            Keep::Files => {}
        }
        tracing::warn!(event = "conflict_resolved", run_id = %run, ?keep, numbers = ?Part::numbers(parts), "[{run}] an operator settled a conflict");
        Ok(self.reconcile_one(run).await)
    }

    async fn keep_row(&self, mut row: Row) -> Result<(), StorageError> {
        if !row.damaged.is_empty() {
            row = self.with_accepted_digests(&row.snapshot.id, &row).await?;
        }
        self.files().overwrite_from_row(&row.snapshot).await
    }

    /// False if the files are gone meanwhile.
    async fn keep_files(&self, row: &Row, file: &RunRecord, parts: &[Part]) -> Result<bool, StorageError> {
        let run = &file.id;
        // The operator keeps the files' version of a difference. Parts that only the row has are no difference: the files get them.
        if row.snapshot.status == file.status {
            self.files().fill(&row.snapshot).await?;
        }
        let Some(file) = self.files().load(run).await? else { return Ok(false) };
        if let Some(lost) = row.damaged.keys().find(|part| !holds(&file, **part)) {
            let what = format!(
                "the files do not hold what is damaged in the row either ({lost}): keep the database's"
            );
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        }
        self.files().snapshot_row(row).await?;
        let differs = |stage: &Stage| {
            let part = Part::Stage(*stage);
            parts.contains(&part) || differences(&row.snapshot, &file).contains(&part)
        };
        let differing: Vec<Stage> = Stage::ALL.into_iter().filter(differs).collect();
        let fence = self.fence_above(&file, row.snapshot.epoch);
        let version = &row.version;
        if !self.call(|target| async { target.reopen(&fence, &differing, version).await }).await? {
            return Err(changed());
        }
        // The lease on the row is this reconciler's; the fence refuses every other.
        let mut row = self.read_row(run).await?;
        if let Some(row) = row.as_mut().filter(|row| row.owner.as_ref() == Some(&fence.owner)) {
            row.snapshot.is_leased = false;
        }
        let steps = self.plan_for(run, Trigger::Command, row.as_ref(), &file).await?;
        self.apply_steps(&steps, row.as_ref(), &file).await?;
        Ok(true)
    }

    /// Accepts what somebody changed in the row by hand, by the operator's word, and reads the row again.
    async fn with_accepted_digests(&self, run: &RunId, row: &Row) -> Result<Row, StorageError> {
        let digests = row.damaged.iter().map(|(part, text)| Ok((*part, digest(*part, text)?)));
        let digests = digests.collect::<Result<BTreeMap<_, _>, StorageError>>()?;
        if !self.call(|target| async { target.accept_digests(run, &digests, &row.version).await }).await? {
            return Err(changed());
        }
        self.read_row(run).await?.filter(|row| row.damaged.is_empty()).ok_or_else(changed)
    }
}

/// The digest of a part of a row, if this program could have written the text.
fn digest(part: Part, text: &str) -> Result<String, StorageError> {
    let Part::Stage(stage) = part else {
        return Ok(sha256_hex(text.as_bytes()));
    };
    let sha256 = StageRecord::from_bytes(stage, text.as_bytes())
        .map_err(|error| error.to_string())
        .and_then(|record| record.sha256().map_err(|error| error.to_string()));
    sha256.map_err(|reason| {
        let what = format!(
            "{stage} in the row does not prove itself ({reason}): it can only be settled by --keep files"
        );
        StorageError::new(StorageErrorKind::Invalid, what)
    })
}

fn changed() -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, "the row changed while it was compared; try again")
}
