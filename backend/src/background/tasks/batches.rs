//! Completes batches that met an outage: manifests that a dead process did not write, and rows that the database lacks.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use pipeline::batch::BatchId;
use storage::router::Router;

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// Much longer than the writes of an acceptance take: a marker without a batch in two passes is of a dead process.
const PERIOD: Duration = Duration::from_secs(20);

/// More than dead processes leave. The set is begun anew then, and each marker takes two more passes.
const WITHOUT_FILE_MAX: usize = 1_000;

#[derive(Debug)]
pub struct SettleBatches {
    router: Arc<Router>,
    /// Markers without a batch at an earlier pass.
    without_file: BTreeSet<BatchId>,
    /// Where the next pass begins. None: with the first batch.
    after: Option<BatchId>,
}

impl SettleBatches {
    #[must_use]
    pub fn new(router: Arc<Router>) -> Self {
        Self { router, without_file: BTreeSet::new(), after: None }
    }
}

#[async_trait]
impl Task for SettleBatches {
    fn name(&self) -> &'static str {
        "batches"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "batch_sweep_failed", task = self.name(), %error, "batches could not be completed; will retry");
    }

    fn is_interruptible(&self) -> bool {
        false
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let settled = self.router.settle_batches(self.after.take()).await?;
        self.after = settled.last;
        if self.without_file.len() > WITHOUT_FILE_MAX {
            self.without_file.clear();
        }
        for id in settled.without_file {
            if self.without_file.remove(&id) {
                self.router.files().settle_batch(&id).await?;
            } else {
                self.without_file.insert(id);
            }
        }
        Ok(Outcome::done("all batches are complete"))
    }
}
