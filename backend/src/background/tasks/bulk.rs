//! Works on bulk operations, also on those that another replica has left.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foundation::resilience::Backoff;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    runs::bulk::BulkExecutor,
};

/// How soon a replica sees an operation that another process has started. A look takes one index read.
const PERIOD: Duration = Duration::from_secs(2);
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));

/// Old operations are removed at every so many passes: about once an hour.
const PASSES_PER_SWEEP: u32 = 1_800;

#[derive(Debug)]
pub struct WorkOnOperations {
    executor: Arc<BulkExecutor>,
    passes: u32,
}

impl WorkOnOperations {
    #[must_use]
    pub const fn new(executor: Arc<BulkExecutor>) -> Self {
        Self { executor, passes: 0 }
    }
}

#[async_trait]
impl Task for WorkOnOperations {
    fn name(&self) -> &'static str {
        "bulk_operations"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD).with_jitter().retry(BACKOFF)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "bulk_operations_failed", task = self.name(), %error, "bulk operations cannot go on; will retry");
    }

    /// A change of a run that is dropped half way would leave its second store to sync.
    fn is_interruptible(&self) -> bool {
        false
    }

    async fn woken(&mut self) {
        self.executor.woken().await;
    }

    async fn pass(&mut self, pass: &Pass<'_>) -> Result<Outcome, TaskError> {
        if self.passes.is_multiple_of(PASSES_PER_SWEEP) {
            self.executor.expire().await?;
        }
        self.passes = self.passes.wrapping_add(1);
        let settled = self.executor.work(pass.stop()).await?;
        Ok(Outcome::done(format!("{settled} runs of bulk operations have an outcome")))
    }

    async fn stopped(&mut self) {
        self.executor.release().await;
    }
}
