//! Files that are lost or torn, rebuilt from the row.

use pipeline::run::RunId;

use crate::{
    error::{StorageError, StorageErrorKind},
    ports::{prelude::*, sync::Row},
    run::RunRecord,
    sync::{
        compare::has_ended, outcome::ReconcileOutcome, plan::Trigger, reconciler::Reconciler,
        verify::Comparison,
    },
};

impl Reconciler {
    /// As [`Reconciler::reconcile_one`], for a run that an operator names. Also rebuilds files of which nothing is left, and
    /// restores a row that is gone. Reports a run that neither side knows.
    pub async fn reconcile_named(&self, run: &RunId) -> ReconcileOutcome {
        let outcome = async {
            if self.files().load(run).await?.is_none() && self.rebuild_files(run).await?.is_none() {
                return Ok(match self.compare(run).await? {
                    Comparison::Unknown => ReconcileOutcome::Unknown,
                    _ => ReconcileOutcome::NoFiles,
                });
            }
            Ok(self.settle(run, Trigger::Command).await)
        };
        outcome.await.unwrap_or_else(|error: StorageError| ReconcileOutcome::Failed { reason: error.message })
    }

    /// The run's files. Rebuilds a lost or torn manifest if anything is left of them.
    pub(super) async fn load_or_rebuild(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        if let Some(file) = self.files().load(run).await? {
            return Ok(Some(file));
        }
        if self.files().has_anything_of(run).await? { self.rebuild_files(run).await } else { Ok(None) }
    }

    /// Writes the files of an ended row, unless they have expired; none if there is no such row.
    pub(super) async fn rebuild_files(&self, run: &RunId) -> Result<Option<RunRecord>, StorageError> {
        let Some(Row { snapshot: row, .. }) = self.read_row(run).await? else { return Ok(None) };
        if !has_ended(&row) || row.is_leased || self.has_expired(&row) {
            return Ok(None);
        }
        match self.files().import(&row).await {
            // The run was deleted here, or only the frontend knows the row.
            Err(error) if matches!(error.kind, StorageErrorKind::Fenced | StorageErrorKind::Invalid) => {
                Ok(None)
            }
            imported => {
                imported?;
                tracing::info!(event = "files_rebuilt", run_id = %run, "[{run}] its files were rebuilt from its row");
                self.files().load(run).await
            }
        }
    }
}
