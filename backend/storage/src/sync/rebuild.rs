//! What a run's files have lost is made anew from its row.

use pipeline::run::RunId;

use super::{
    ReconcileOutcome, Reconciler,
    plan::Plan,
    verify::{Comparison, is_open},
};
use crate::{Part, Row, RunRecord, StorageError, StorageErrorKind, Store as _, files::Damage};

impl Reconciler {
    /// As [`Reconciler::reconcile_one`], of a run that somebody has named: its files are made anew also where nothing is
    /// left of them here, its row also where it was there and is gone, and a run that nobody knows is told.
    pub async fn reconcile_named(&self, run: &RunId) -> ReconcileOutcome {
        let outcome = async {
            if self.files().load(run).await?.is_none() && self.rebuild_files(run).await?.is_none() {
                return Ok(match self.compare(run).await? {
                    Comparison::Unknown => ReconcileOutcome::Unknown,
                    _ => ReconcileOutcome::NoFiles,
                });
            }
            Ok(self.reenter_one(run).await)
        };
        outcome.await.unwrap_or_else(|error: StorageError| ReconcileOutcome::Failed { reason: error.message })
    }

    /// The run's files, if something is left of them: a lost or torn manifest is made anew.
    pub(super) async fn load_or_rebuild(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        if let Some(file) = self.files().load(run).await? {
            return Ok(Some(file));
        }
        if self.files().has_anything_of(run).await? { self.rebuild_files(run).await } else { Ok(None) }
    }

    /// Writes files from a row that has ended and whose files have not been kept long enough; none where there is none.
    pub(super) async fn rebuild_files(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        let Some(Row { snapshot: row, .. }) = self.read_row(run).await? else { return Ok(None) };
        if is_open(&row) || row.is_leased || self.has_expired(&row) {
            return Ok(None);
        }
        match self.files().import(&row).await {
            // Deleted here, or a row that only the frontend knows.
            Err(error) if matches!(error.kind, StorageErrorKind::Fenced | StorageErrorKind::Invalid) => {
                Ok(None)
            }
            imported => {
                imported?;
                tracing::info!(event = "files_rebuilt", run_id = %run, "[{run}] its files were made anew from its row");
                self.files().load(run).await
            }
        }
    }
}

/// The plan, where something of the row does not match its own digest: changed by hand, it is in the way of what files hold.
pub(super) fn with_damage(plan: Plan, row: Option<&Row>) -> Plan {
    let Some(damaged) = row.map(|row| &row.damaged).filter(|damaged| !damaged.is_empty()) else {
        return plan;
    };
    let mut parts = match plan {
        Plan::Leave => return plan,
        Plan::Conflict { ref parts } => parts.clone(),
        Plan::Replay { .. } | Plan::Fill { .. } => Vec::new(),
    };
    // A report is written over when a run ends.
    let is_open = matches!(plan, Plan::Replay { .. });
    parts.extend(damaged.keys().filter(|part| !is_open || **part != Part::Report));
    if parts.is_empty() {
        return plan;
    }
    parts.sort_unstable();
    parts.dedup();
    Plan::Conflict { parts }
}

/// The parts that are damaged in files.
pub(super) fn damaged_parts(damage: &Damage) -> Vec<Part> {
    let stages = damage.stages.iter().copied().map(Part::Stage);
    stages.chain(damage.report.then_some(Part::Report)).collect()
}
