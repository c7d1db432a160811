//! Tells the other replicas, through the database, which runs this process has changed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pipeline::run::RunId;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    runs::RunWatchers,
};

/// Between two notifications. Changes within this time go together.
const GAP: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct PublishChanges {
    watchers: Arc<RunWatchers>,
    unsent: Vec<RunId>,
    has_published: bool,
}

impl PublishChanges {
    #[must_use]
    pub fn new(watchers: Arc<RunWatchers>) -> Self {
        Self { watchers, unsent: Vec::new(), has_published: false }
    }
}

#[async_trait]
impl Task for PublishChanges {
    fn name(&self) -> &'static str {
        "change_publisher"
    }

    fn schedule(&self) -> Schedule {
        Schedule::when_woken()
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "change_notification_failed", task = self.name(), %error, "other replicas did not receive a notification; they poll");
    }

    async fn woken(&mut self) {
        if self.has_published {
            tokio::time::sleep(GAP).await;
        }
        self.unsent = self.watchers.take_unsent().await;
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        self.has_published = true;
        let runs = std::mem::take(&mut self.unsent);
        if self.watchers.publish(&runs).await? {
            Ok(Outcome::done(format!("published {} changed runs", runs.len())))
        } else {
            Ok(Outcome::Skipped("the database is switched off or away"))
        }
    }
}
