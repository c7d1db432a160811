//! Brings rows and files to the same content: marked runs at each pass, all open runs now and then, and all ended runs in
//! slices.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use storage::{
    mode::Flags,
    sync::{ReconcileSummary, Reconciler, survey::Survey},
};
use tokio::sync::watch;

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// The wait between two passes that nobody asked for. A pass costs one listing of a folder. A run that ended here in files
/// alone must reach the database before its lease there ends, or another replica runs it again.
const PERIOD: Duration = Duration::from_secs(2);

/// The wait between two searches for runs that are open in files and have ended in the database. The tests, whose databases
/// are small, need not wait as long.
const SWEEP_INTERVAL: Duration = Duration::from_secs(if cfg!(feature = "testing") { 10 } else { 30 });

/// Reconciles, unless the database is switched off or away.
#[derive(Debug)]
pub struct Reconcile {
    pub reconciler: Arc<Reconciler>,
    /// Each change of the flags asks for a pass over all marked runs.
    pub flags: watch::Receiver<Flags>,
    /// When the last sweep ended, by the monotonic clock.
    pub swept_at: Option<Duration>,
    /// The comparison of all ended runs, as far as it has come.
    pub survey: Survey,
}

#[async_trait]
impl Task for Reconcile {
    fn name(&self) -> &'static str {
        "reconcile"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "files_completion_failed", task = self.name(), %error, "failed to bring to the files what only the database has; will retry");
    }

    async fn woken(&mut self) {
        tokio::select! {
            () = self.reconciler.woken() => {}
            changed = self.flags.changed() => {
                // An error means that the flags are fixed from now on.
                if changed.is_ok() {
                    self.reconciler.wake();
                }
                self.reconciler.woken().await;
            }
        }
        self.swept_at = None;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        if !self.reconciler.is_database_open() {
            return Ok(Outcome::Skipped("the database is switched off or away"));
        }
        let summary = self.reconciler.pass().await;
        let now = self.reconciler.clock().monotonic();
        if self.swept_at.is_none_or(|at| now.saturating_sub(at) >= SWEEP_INTERVAL) {
            self.reconciler.sweep().await?;
            self.reconciler.plan_survey(&mut self.survey).await?;
            self.reconciler.survey(&mut self.survey).await?;
            self.swept_at = Some(now);
        } else if self.survey.is_full() {
            self.reconciler.survey(&mut self.survey).await?;
        }
        Ok(in_words(&summary))
    }
}

fn in_words(summary: &ReconcileSummary) -> Outcome {
    if summary.runs == 0 {
        return Outcome::done("nothing to reconcile");
    }
    let ReconcileSummary { runs, proved, conflicts, failed, .. } = summary;
    let (conflicts, failed) = (conflicts.len(), failed.len());
    Outcome::done(format!("{runs} runs: {proved} proved, {conflicts} in conflict, {failed} failed"))
}
