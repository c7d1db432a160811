//! Retries, cancels and deletes runs.

use pipeline::{
    failure::RunFailure,
    run::{RunId, RunStatus, Stage},
};

use super::{query::QueryError, service::Runs};
use crate::{access::Scope, audit::Actor};
use foundation::failpoints;
use storage::{RunRecord, StorageError, StorageErrorKind, TombstoneOutcome, prelude::*};

/// The actor of a change, and the runs that they may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    pub scope: Scope,
    pub actor: Actor,
}

/// A run that continues after a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    pub run_id: RunId,
    pub generation: i32,
}

/// Why an operation on a run was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("run {0} has not ended; cancel it first, or wait for its end")]
    Running(RunId),
    #[error("run {0} is complete")]
    Complete(RunId),
    #[error("run {0} has failed already; there is nothing to cancel")]
    Failed(RunId),
    /// The frontend created the row, and nobody submitted the run.
    #[error("run {0} was never submitted; submit it with POST /run")]
    NeverAccepted(RunId),
}

impl From<StorageError> for ControlError {
    fn from(error: StorageError) -> Self {
        Self::Query(QueryError::Unavailable(error))
    }
}

impl Runs {
    /// Resumes a failed or cancelled run where it stopped, under a new generation. Of many concurrent calls,
    /// all return the same generation.
    ///
    /// # Errors
    ///
    /// [`ControlError::Running`] or [`ControlError::Complete`] if the run cannot be retried.
    /// [`ControlError::NeverAccepted`] if nobody submitted it. [`ControlError::Query`] if the run is unknown
    /// or deleted, or if storage fails.
    pub async fn retry(&self, run_id: &RunId, by: &By) -> Result<Retried, ControlError> {
        // Read the run before the lock, so that a caller refers to this failure, even if another call was
        // faster.
        let seen = self.find(run_id, &by.scope).await?;
        check_retryable(&seen)?;
        let record = self.audit.describe(&by.actor, "run.retry", run_id.as_str());
        let lock = self.run_lock(run_id);
        let mut latest = lock.lock().await;
        // A hundred callers that wait for the same retry do not ask storage a hundred times.
        if let Some(generation) = latest.filter(|generation| *generation > seen.generation) {
            return Ok(Retried { run_id: run_id.clone(), generation });
        }
        let retried = self.router.retry(run_id, seen.generation, Some(&record)).await;
        let refused = self.router.file_refusal().filter(|_| !self.router.is_database_open());
        if let (Err(error), Some(refusal)) = (&retried, refused)
            && error.is_outage()
        {
            return Err(QueryError::NotAlone(run_id.clone(), refusal).into());
        }
        let generation = match retried? {
            Some(generation) => {
                self.router.changes().publish(run_id);
                failpoints::hit("retried");
                tracing::info!(event = "run_retried", run_id = %run_id, generation, audit = "run_retried", "[{run_id}] is retried");
                self.worker.wake();
                generation
            }
            None => {
                let now = self.find(run_id, &by.scope).await?;
                if now.generation <= seen.generation {
                    // Another call ended the run differently meanwhile, or is about to delete it.
                    check_retryable(&now)?;
                    return Err(StorageError::new(
                        StorageErrorKind::Unavailable,
                        "another request changes the run at the same time; try again",
                    )
                    .into());
                }
                now.generation
            }
        };
        *latest = Some(generation);
        Ok(Retried { run_id: run_id.clone(), generation })
    }

    /// Cancels a run. Its worker stops within a second. Cancelling a cancelled run succeeds.
    ///
    /// # Errors
    ///
    /// [`ControlError::Complete`] or [`ControlError::Failed`] if the run has ended. [`ControlError::Running`]
    /// if a retry came in between. [`ControlError::Query`] if the run is unknown or deleted, or if storage
    /// fails.
    pub async fn cancel(&self, run_id: &RunId, by: &By) -> Result<(), ControlError> {
        let lock = self.run_lock(run_id);
        let _guard = lock.lock().await;
        let seen = self.find(run_id, &by.scope).await?;
        if seen.status == RunStatus::Processing {
            let stage = Stage::ALL.into_iter().find(|stage| !seen.stages.contains_key(stage));
            let failure = RunFailure::cancelled(stage);
            let record = self.audit.describe(&by.actor, "run.cancel", run_id.as_str());
            if self.router.cancel(run_id, &failure, self.clock.now(), Some(&record)).await? {
                self.router.changes().publish(run_id);
                failpoints::hit("cancelled");
                self.worker.stop(run_id);
                tracing::info!(event = "run_cancelled", run_id = %run_id, audit = "run_cancelled", "[{run_id}] is cancelled");
                return Ok(());
            }
        }
        match self.find(run_id, &by.scope).await?.status {
            RunStatus::Cancelled => Ok(()),
            RunStatus::Completed => Err(ControlError::Complete(run_id.clone())),
            RunStatus::Failed => Err(ControlError::Failed(run_id.clone())),
            // A retry came at the same moment.
            RunStatus::Processing => Err(ControlError::Running(run_id.clone())),
        }
    }

    /// Deletes an ended run for good: tombstones first, then its rows and files. Deleting a deleted run
    /// succeeds and removes its remains.
    ///
    /// # Errors
    ///
    /// [`ControlError::Running`] if the run has not ended. [`ControlError::Query`] if the run is unknown, or
    /// if storage fails.
    pub async fn delete(&self, run_id: &RunId, by: &By) -> Result<(), ControlError> {
        let lock = self.run_lock(run_id);
        let _guard = lock.lock().await;
        match self.find(run_id, &by.scope).await {
            Ok(seen) if seen.status == RunStatus::Processing => {
                return Err(ControlError::Running(run_id.clone()));
            }
            Ok(seen) => {
                let record = self.audit.describe(&by.actor, "run.delete", run_id.as_str());
                let created = self.router.create_tombstone(run_id, &seen.principal, Some(&record)).await?;
                if created == TombstoneOutcome::Running {
                    return Err(ControlError::Running(run_id.clone()));
                }
                failpoints::hit("buried");
                // The tombstone decides. The rest is removed in any case.
            }
            Err(QueryError::Deleted(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.router.remove(run_id).await?;
        self.answers.forget_run(run_id).await;
        self.router.changes().publish(run_id);
        failpoints::hit("removed");
        tracing::info!(event = "run_deleted", run_id = %run_id, audit = "run_deleted", "[{run_id}] is deleted: rows, files and spool");
        Ok(())
    }
}

fn check_retryable(seen: &RunRecord) -> Result<(), ControlError> {
    match seen.status {
        RunStatus::Processing => Err(ControlError::Running(seen.id.clone())),
        RunStatus::Completed => Err(ControlError::Complete(seen.id.clone())),
        RunStatus::Failed | RunStatus::Cancelled if seen.request.is_none() => {
            Err(ControlError::NeverAccepted(seen.id.clone()))
        }
        RunStatus::Failed | RunStatus::Cancelled => Ok(()),
    }
}
