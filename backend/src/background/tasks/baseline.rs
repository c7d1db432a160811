//! Stores the figures of each hour, so that the next deployment can be compared with this one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use storage::router::Router;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    health::baseline::BaselineKeeper,
};

/// A deployment that is replaced loses the last minute of its figures.
const PERIOD: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct KeepBaseline {
    pub keeper: Arc<BaselineKeeper>,
    pub router: Arc<Router>,
}

#[async_trait]
impl Task for KeepBaseline {
    fn name(&self) -> &'static str {
        "baseline"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD).after_a_period()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "baseline_not_stored", task = self.name(), %error, "the figures of this hour could not be stored; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        if !self.router.uses_database() {
            return Ok(Outcome::Skipped("this mode does not use the database"));
        }
        self.keeper.keep().await?;
        Ok(Outcome::done("the figures of this hour are stored"))
    }
}
