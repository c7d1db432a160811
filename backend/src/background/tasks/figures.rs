//! Logs the main figures of the service, once a minute.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    health::Health,
    telemetry::{metrics, minute::Minutes},
};

/// Between two lines, the first one included.
pub struct LogFigures {
    pub health: Arc<Health>,
    pub period: Duration,
    pub minutes: Minutes,
}

impl fmt::Debug for LogFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogFigures").field("period", &self.period).finish_non_exhaustive()
    }
}

#[async_trait]
impl Task for LogFigures {
    fn name(&self) -> &'static str {
        "figures"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(self.period).after_a_period()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "figures_failed", task = self.name(), %error, "the figures could not be made; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        // Each of its questions to a store has a limit.
        let measured = self.health.measured().await;
        let text = metrics::counted().unwrap_or_default();
        self.minutes.log(&text, &measured, self.period);
        Ok(Outcome::done("the figures are in the log"))
    }
}
