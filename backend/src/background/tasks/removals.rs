//! Finishes deletions that dead processes left half done.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use storage::router::Router;

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

const PERIOD: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct FinishRemovals {
    pub router: Arc<Router>,
}

#[async_trait]
impl Task for FinishRemovals {
    fn name(&self) -> &'static str {
        "removals"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "deletion_sweep_failed", task = self.name(), %error, "what deletions left could not be removed; will retry");
    }

    fn is_interruptible(&self) -> bool {
        false
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        self.router.finish_removals().await?;
        Ok(Outcome::done("nothing is left"))
    }
}
