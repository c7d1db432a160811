//! Samples the counters of the service level, and shares them with the other replicas.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    objectives::Objectives,
};

/// Windows of a few seconds are exact to a sample.
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct SampleObjectives {
    pub objectives: Arc<Objectives>,
}

#[async_trait]
impl Task for SampleObjectives {
    fn name(&self) -> &'static str {
        "objectives"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "objectives_not_shared", task = self.name(), %error, "the counts of this replica could not be shared with the others; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        self.objectives.sample();
        Ok(match self.objectives.share().await? {
            true => Outcome::done("sampled, and shared with the other replicas"),
            false => Outcome::done("sampled"),
        })
    }
}
