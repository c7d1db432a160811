//! Asks the database of an open breaker whether it is back. No other call does.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use foundation::resilience::Jitter;
use storage::router::{Database, Router};

use crate::background::{Outcome, Pass, Schedule, Task, TaskError};

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

    /// A probe is due when the breaker has been open for one wait since the last probe. Half of the wait is random, so
    /// that several replicas do not probe at once.
    async fn woken(&mut self) {
        let breaker = &self.database.breaker;
        breaker.wait_until_open().await;
        tokio::time::sleep(Jitter::Random.spread(breaker.probe_wait())).await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        if !self.router.uses_database() {
            return Ok(Outcome::Skipped("the mode has no database"));
        }
        let answer = self.database.store.prove_recovery().await;
        self.database.breaker.probed(&answer);
        answer?;
        if !self.database.breaker.is_closed() {
            return Ok(Outcome::Skipped("the database answers; one more probe decides"));
        }
        (self.on_closed)();
        Ok(Outcome::done("the database answers again"))
    }
}
