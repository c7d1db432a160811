//! Stores the figures of each hour, so that the next deployment can be compared with this one.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    health::baseline::BaselineKeeper,
};

/// The period of a service: a deployment that is replaced loses the last minute of its figures.
pub const PERIOD: Duration = Duration::from_secs(60);

pub struct KeepBaseline {
    pub keeper: Arc<BaselineKeeper>,
    /// Whether the mode has a database now.
    pub uses_database: Box<dyn Fn() -> bool + Send + Sync>,
    pub period: Duration,
}

impl fmt::Debug for KeepBaseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepBaseline").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

#[async_trait]
impl Task for KeepBaseline {
    fn name(&self) -> &'static str {
        "baseline"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(self.period).after_a_period()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "baseline_not_stored", task = self.name(), %error, "the figures of this hour could not be stored; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        if !(self.uses_database)() {
            return Ok(Outcome::Skipped("this mode does not use the database"));
        }
        self.keeper.keep().await?;
        Ok(Outcome::done("the figures of this hour are stored"))
    }
}
