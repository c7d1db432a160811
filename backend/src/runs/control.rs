//! Retrying, cancelling and deleting runs.

use std::{sync::Arc, time::Duration};

use pipeline::{
    failure::RunFailure,
    run::{RunId, RunStatus, Stage},
};
use tokio_util::sync::CancellationToken;

use super::{QueryError, Runs};
use foundation::failpoints;
use storage::{
    Control as _, RunRecord, StorageError, StorageErrorKind, Store as _, TombstoneOutcome, router::Router,
};

/// Between two looks for deletions that a dead process left half done.
const SWEEP: Duration = Duration::from_secs(60);

/// A run that is worked on again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    pub run_id: RunId,
    pub generation: i32,
}

/// Why nothing was done to a run.
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
    /// The frontend has made its row, and nobody has asked for the work.
    #[error("run {0} was never asked for; POST /run does")]
    NeverAccepted(RunId),
}

impl From<StorageError> for ControlError {
    fn from(error: StorageError) -> Self {
        Self::Query(QueryError::Unavailable(error))
    }
}

impl Runs {
    /// Resumes a failed or cancelled run where it stopped, under a new generation. Of many that ask at once, all are
    /// told the same one.
    pub async fn retry(&self, run_id: &RunId) -> Result<Retried, ControlError> {
        // Looked at before the turn: who asks while it is failed means this failure, also where another was faster.
        let seen = self.snapshot(run_id).await?;
        check_retryable(&seen)?;
        let lock = self.run_lock(run_id);
        let _guard = lock.lock().await;
        let generation = match self.router.retry(run_id, seen.generation).await? {
            Some(generation) => {
                self.router.changes().publish(run_id);
                failpoints::hit("retried");
                tracing::info!(event = "run_retried", run_id = %run_id, generation, audit = "run_retried", "[{run_id}] is tried again");
                self.worker.wake();
                generation
            }
            None => {
                let now = self.snapshot(run_id).await?;
                if now.generation <= seen.generation {
                    // Ended in another way meanwhile, or about to be deleted.
                    check_retryable(&now)?;
                    return Err(StorageError::new(
                        StorageErrorKind::Unavailable,
                        "somebody else changes the run at the same time",
                    )
                    .into());
                }
                now.generation
            }
        };
        Ok(Retried { run_id: run_id.clone(), generation })
    }

    /// Stops a run; whoever works on it hears within a second. One that is cancelled already is success.
    pub async fn cancel(&self, run_id: &RunId) -> Result<(), ControlError> {
        let lock = self.run_lock(run_id);
        let _guard = lock.lock().await;
        let seen = self.snapshot(run_id).await?;
        if seen.status == RunStatus::Processing {
            let stage = Stage::ALL.into_iter().find(|stage| !seen.stages.contains_key(stage));
            let failure = RunFailure::cancelled(stage);
            if self.router.cancel(run_id, &failure, self.clock.now()).await? {
                self.router.changes().publish(run_id);
                failpoints::hit("cancelled");
                self.worker.stop(run_id);
                tracing::info!(event = "run_cancelled", run_id = %run_id, audit = "run_cancelled", "[{run_id}] is cancelled");
                return Ok(());
            }
        }
        match self.snapshot(run_id).await?.status {
            RunStatus::Cancelled => Ok(()),
            RunStatus::Completed => Err(ControlError::Complete(run_id.clone())),
            RunStatus::Failed => Err(ControlError::Failed(run_id.clone())),
            // Retried in the same moment.
            RunStatus::Processing => Err(ControlError::Running(run_id.clone())),
        }
    }

    /// Deletes an ended run for good: tombstones first, then its rows and files. One that is deleted already is
    /// success, and whatever was left of it goes.
    pub async fn delete(&self, run_id: &RunId) -> Result<(), ControlError> {
        let lock = self.run_lock(run_id);
        let _guard = lock.lock().await;
        match self.snapshot(run_id).await {
            Ok(seen) if seen.status == RunStatus::Processing => {
                return Err(ControlError::Running(run_id.clone()));
            }
            Ok(_) => {
                if self.router.create_tombstone(run_id).await? == TombstoneOutcome::Running {
                    return Err(ControlError::Running(run_id.clone()));
                }
                failpoints::hit("buried");
            }
            Err(ControlError::Query(QueryError::Deleted(_))) => {}
            Err(error) => return Err(error),
        }
        self.router.remove(run_id).await?;
        self.router.changes().publish(run_id);
        failpoints::hit("removed");
        tracing::info!(event = "run_deleted", run_id = %run_id, audit = "run_deleted", "[{run_id}] is deleted: rows, files and spool");
        Ok(())
    }

    async fn snapshot(&self, run_id: &RunId) -> Result<RunRecord, ControlError> {
        match self.router.load(run_id).await {
            Ok(Some(snapshot)) => Ok(snapshot),
            missing => Err(self.why_missing(run_id, missing.err()).await.into()),
        }
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

/// Finishes deletions that dead processes left half done, at the start and then now and again, until told to stop.
pub async fn sweep_removals(router: Arc<Router>, stop: CancellationToken) {
    let mut was_failing = false;
    loop {
        match router.finish_removals().await {
            Ok(()) => was_failing = false,
            // Once an outage, not once a minute.
            Err(error) if !std::mem::replace(&mut was_failing, true) => {
                tracing::warn!(event = "deletion_sweep_failed", %error, "what deletions left could not be removed; will retry");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
}
