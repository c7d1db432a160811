//! Looks for changes of followed runs that no notification told of.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    runs::RunWatchers,
};

/// While notifications arrive.
const PERIOD: Duration = Duration::from_secs(15);

/// While none arrive: behind a pooler, or while the database is away. As often as a client would poll.
const PERIOD_UNHEARD: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct PollRuns {
    pub watchers: Arc<RunWatchers>,
}

#[async_trait]
impl Task for PollRuns {
    fn name(&self) -> &'static str {
        "run_poll"
    }

    fn schedule(&self) -> Schedule {
        let period = if self.watchers.hears_changes() { PERIOD } else { PERIOD_UNHEARD };
        Schedule::every(period).after_a_period()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "run_poll_failed", task = self.name(), %error, "followed runs could not be read; will retry");
    }

    async fn woken(&mut self) {
        self.watchers.poll_requested().await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        Ok(Outcome::done(match self.watchers.poll().await {
            0 => "nobody follows a run".into(),
            runs => format!("{runs} followed runs"),
        }))
    }
}
