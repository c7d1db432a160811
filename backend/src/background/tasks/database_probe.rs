//! Asks the database of an open breaker whether it is back. No other call does.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use foundation::resilience::Jitter;
use storage::router::{Database, Router};

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

/// Between two probes: half of it at least, all of it at most. Two seconds are what an operator waits without
/// wondering, and nothing to a database.
const INTERVAL_MAX: Duration = Duration::from_secs(2);

/// Probes while the breaker is open. In a mode without the database nobody asks it.
pub struct DatabaseProbe {
    pub database: Database,
    pub router: Arc<Router>,
    /// Called each time the breaker closes.
    pub on_closed: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for DatabaseProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseProbe").field("database", &self.database).finish_non_exhaustive()
    }
}

#[async_trait]
impl Task for DatabaseProbe {
    fn name(&self) -> &'static str {
        "database_probe"
    }

    fn schedule(&self) -> Schedule {
        Schedule::when_woken()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "database_probe_failed", task = self.name(), %error, "the database does not answer yet; will retry");
    }

    /// A probe is due when the breaker has been open for one interval since the last probe.
    async fn woken(&mut self) {
        self.database.breaker.wait_until_open().await;
        tokio::time::sleep(Jitter::Random.spread(INTERVAL_MAX)).await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        if !self.router.uses_database() {
            return Ok(Outcome::Skipped("the mode has no database"));
        }
        let answer = self.database.store.probe().await;
        self.database.breaker.probed(&answer);
        answer?;
        (self.on_closed)();
        Ok(Outcome::done("the database answers again"))
    }
}
