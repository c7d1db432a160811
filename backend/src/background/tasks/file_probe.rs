//! Asks the files behind an open breaker whether they are back. No other call does.

use std::sync::Arc;

use async_trait::async_trait;
use foundation::resilience::Jitter;
use storage::{
    files::{FileBreaker, FileStore},
    prelude::*,
};

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// Probes while the breaker is open.
#[derive(Debug)]
pub struct FileProbe {
    pub files: FileStore,
    pub breaker: Arc<FileBreaker>,
}

#[async_trait]
impl Task for FileProbe {
    fn name(&self) -> &'static str {
        "file_probe"
    }

    fn schedule(&self) -> Schedule {
        Schedule::when_woken()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "file_probe_failed", task = self.name(), %error, "the files do not answer yet; will retry");
    }

    /// Half of the wait is random, so that several replicas do not probe at once.
    async fn woken(&mut self) {
        self.breaker.wait_until_open().await;
        tokio::time::sleep(Jitter::Random.spread(self.breaker.probe_wait())).await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        self.files.prove_recovery().await?;
        if !self.breaker.is_closed() {
            return Ok(Outcome::Skipped("the files answer; one more probe decides"));
        }
        Ok(Outcome::done("the files answer again"))
    }
}
