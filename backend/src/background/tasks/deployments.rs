//! Reports how this process of a deployment fares, and judges deployments.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    deployments::{Arbiter, Recorder},
};

#[derive(Debug)]
pub struct ReportDeployment {
    pub recorder: Arc<Recorder>,
    pub period: Duration,
}

#[async_trait]
impl Task for ReportDeployment {
    fn name(&self) -> &'static str {
        "deployment_report"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(self.period)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "deployment_not_recorded", task = self.name(), %error, "neither the database nor the files take the report of this deployment; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let in_database = self.recorder.pass().await?;
        Ok(Outcome::done(if in_database {
            "reported"
        } else {
            "the database is away; a note has the deployment"
        }))
    }

    async fn stopped(&mut self) {
        self.recorder.leave().await;
    }
}

#[derive(Debug)]
pub struct JudgeDeployments {
    pub arbiter: Arc<Arbiter>,
    pub period: Duration,
}

#[async_trait]
impl Task for JudgeDeployments {
    fn name(&self) -> &'static str {
        "arbiter"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(self.period).after_a_period()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "arbiter_failed", task = self.name(), %error, "deployments could not be judged; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        Ok(Outcome::done(self.arbiter.pass().await))
    }
}
