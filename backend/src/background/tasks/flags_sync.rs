//! Brings the flags of the database to this process, and acknowledges them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    flags::FlagSync,
};

/// A notification comes within milliseconds. This finds what a notification lost, and all of it behind a pooler.
const PERIOD: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct SyncFlags {
    pub sync: Arc<FlagSync>,
    /// Woken by a notification, and by a change that this process has made.
    pub changed: Arc<Notify>,
}

#[async_trait]
impl Task for SyncFlags {
    fn name(&self) -> &'static str {
        "flags_sync"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "flags_unreadable", task = self.name(), %error, "the flags of the database cannot be read; the last known ones apply; will retry");
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        Ok(match self.sync.pass().await? {
            Some(revision) => Outcome::done(format!("revision {revision}")),
            None => {
                Outcome::Skipped("FLAGS_FILE or the environment keeps this process away from the database")
            }
        })
    }

    async fn woken(&mut self) {
        self.changed.notified().await;
        self.sync.ask();
    }

    async fn stopped(&mut self) {
        self.sync.leave().await;
    }
}
