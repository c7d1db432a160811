//! Removes what is older than `RETENTION_DAYS`.

use std::time::Duration;

use async_trait::async_trait;
use foundation::resilience::Backoff;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    retention::{Retention, RetentionSummary},
};

/// The unit is a day; an hour keeps each pass small.
const PERIOD: Duration = Duration::from_secs(3600);

/// After a pass that could not be ended: a store was away.
const RETRY: Backoff = Backoff::constant(Duration::from_secs(60));

#[derive(Debug)]
pub struct RemoveExpired {
    pub retention: Retention,
}

#[async_trait]
impl Task for RemoveExpired {
    fn name(&self) -> &'static str {
        "retention"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD).retry(RETRY)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "retention_failed", task = self.name(), %error, "not all that is too old could be removed; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let summary = self.retention.pass().await?;
        summary.log();
        let RetentionSummary { files, rows, kept } = summary;
        Ok(Outcome::done(format!("{files} runs and {rows} rows removed, {kept} kept")))
    }
}
