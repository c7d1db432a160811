//! Asks the files behind an open breaker whether they are back. No other call does.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foundation::resilience::Jitter;
use storage::{
    files::{FileBreaker, FileStore},
    prelude::*,
};

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// Between two probes: half of it at least, all of it at most. A stage is written every few seconds, and one small file a
/// second costs a bucket nothing.
const INTERVAL_MAX: Duration = Duration::from_secs(1);

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

    async fn woken(&mut self) {
        self.breaker.wait_until_open().await;
        tokio::time::sleep(Jitter::Random.spread(INTERVAL_MAX)).await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        self.files.probe().await?;
        Ok(Outcome::done("the files answer again"))
    }
}
