//! Settling a conflict: an operator says which side is right, and the other side's version is kept beside it.

use pipeline::run::{RunId, RunStatus, Stage};

use super::{Outcome, Reconciler, plan::differences};
use crate::storage::{StorageError, StorageErrorKind, Store as _, proof::Row};

/// Whose version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Keep {
    /// The row's; the files' version stays beside them as `*.conflict-TIME`
    Database,
    /// The files'; the row's version is kept in the run's folder as `row.conflict-TIME.json`
    Files,
}

impl Reconciler {
    /// Makes both sides hold what one of them holds, and proves it. A run that has not ended on both is left alone.
    pub async fn resolve(&self, run: &RunId, keep: Keep) -> Result<Outcome, StorageError> {
        let Some(file) = self.files().load(run).await? else { return Ok(Outcome::Gone) };
        let Some(Row { snapshot: row, version, .. }) = self.look(run).await? else {
            return Ok(self.reconcile_one(run).await);
        };
        let is_open = [&row, &file].iter().any(|side| side.status == RunStatus::Processing);
        if row.is_leased || is_open || row.generation != file.generation {
            return Ok(Outcome::Left);
        }
        let numbers = differences(&row, &file);
        if numbers.is_empty() {
            return Ok(self.reconcile_one(run).await);
        }
        match keep {
            Keep::Database => self.files().take_over(&row).await?,
            Keep::Files => {
                self.files().keep_row(&row).await?;
                let differing: Vec<Stage> = Stage::ALL
                    .into_iter()
                    .filter(|stage| numbers.contains(&i32::from(stage.number())))
                    .collect();
                let fence = self.fence_above(&file, row.epoch);
                let reopened =
                    self.call(|mirror| async { mirror.reopen(&fence, &differing, &version).await }).await?;
                if !reopened {
                    return Err(StorageError::new(
                        StorageErrorKind::Unavailable,
                        "the row changed while it was looked at",
                    ));
                }
                let row = self.look(run).await?;
                // Its own lease is on it; whoever else comes is fenced off.
                self.replay(&file, row.as_ref()).await?;
            }
        }
        tracing::warn!(run_id = %run, ?keep, ?numbers, "[{run}] a conflict was settled by hand");
        Ok(self.reconcile_one(run).await)
    }
}
