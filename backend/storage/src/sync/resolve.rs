//! Settling a conflict: an operator says which side is right, and the other side's version is kept beside it.

use std::collections::BTreeMap;

use pipeline::{
    record::{StageRecord, sha256_hex},
    run::{RunId, RunStatus, Stage},
};

use super::{
    ReconcileOutcome, Reconciler,
    plan::{Plan, differences, holds, plan},
    rebuild::with_damage,
};
use crate::{Part, Row, StorageError, StorageErrorKind, Store as _};

/// Whose version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The row's version. The files' version stays beside them as `*.conflict-TIME`.
    Database,
    /// The files' version. The row's version stays in the run's folder as `row.conflict-TIME.json`.
    Files,
}

impl Reconciler {
    /// Makes both sides hold what one of them holds, and proves it. What one side merely lacks is filled from the other,
    /// whichever is kept. A run that has not ended on both is left alone.
    pub async fn resolve(&self, run: &RunId, keep: Keep) -> Result<ReconcileOutcome, StorageError> {
        let Some(file) = self.files().load(run).await? else { return Ok(self.reconcile_named(run).await) };
        let Some(mut row) = self.read_row(run).await? else { return Ok(self.reconcile_one(run).await) };
        let is_open = [&row.snapshot, &file].iter().any(|side| side.status == RunStatus::Processing);
        if row.snapshot.is_leased || is_open || row.snapshot.generation != file.generation {
            return Ok(ReconcileOutcome::Skipped);
        }
        let Plan::Conflict { parts } = with_damage(plan(Some(&row.snapshot), &file), Some(&row)) else {
            return Ok(self.reconcile_one(run).await);
        };
        match keep {
            Keep::Database => {
                if !row.damaged.is_empty() {
                    row = self.with_accepted_digests(run, &row).await?;
                }
                self.files().overwrite_from_row(&row.snapshot).await?;
            }
            Keep::Files => {
                // Where something is lost here, it is the row's that is told to be wrong.
                if row.snapshot.status == file.status {
                    self.files().fill(&row.snapshot).await?;
                }
                let Some(file) = self.files().load(run).await? else { return Ok(ReconcileOutcome::NoFiles) };
                if let Some(lost) = row.damaged.keys().find(|part| !holds(&file, **part)) {
                    let what = format!(
                        "the files do not hold what is damaged in the row either ({lost}): keep the database's"
                    );
                    return Err(StorageError::new(StorageErrorKind::Invalid, what));
                }
                self.files().snapshot_row(&row).await?;
                let differing: Vec<Stage> = Stage::ALL
                    .into_iter()
                    .filter(|stage| {
                        let part = Part::Stage(*stage);
                        parts.contains(&part) || differences(&row.snapshot, &file).contains(&part)
                    })
                    .collect();
                let fence = self.fence_above(&file, row.snapshot.epoch);
                let version = &row.version;
                let reopened =
                    self.call(|target| async { target.reopen(&fence, &differing, version).await }).await?;
                if !reopened {
                    return Err(changed());
                }
                let row = self.read_row(run).await?;
                // Its own lease is on it; whoever else comes is fenced off.
                self.replay(&file, row.as_ref()).await?;
            }
        }
        tracing::warn!(event = "conflict_resolved", run_id = %run, ?keep, numbers = ?Part::numbers(&parts), "[{run}] a conflict was settled by hand");
        Ok(self.reconcile_one(run).await)
    }

    /// The row, read with what was changed in it by hand: an operator has said that it is right.
    async fn with_accepted_digests(&self, run: &RunId, row: &Row) -> Result<Row, StorageError> {
        let digests = row.damaged.iter().map(|(part, text)| Ok((*part, digest(*part, text)?)));
        let digests = digests.collect::<Result<BTreeMap<_, _>, StorageError>>()?;
        if !self.call(|target| async { target.accept_digests(run, &digests, &row.version).await }).await? {
            return Err(changed());
        }
        self.read_row(run).await?.filter(|row| row.damaged.is_empty()).ok_or_else(changed)
    }
}

/// The digest of what stands in a row, if it is what this program could have written.
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
    StorageError::new(StorageErrorKind::Unavailable, "the row changed while it was looked at; try again")
}
