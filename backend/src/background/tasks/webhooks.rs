//! Sends the webhooks that are due. Requests outlast the pass that began them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::{
    background::{Outcome, Pass, Schedule, Task, TaskError},
    webhooks::{WebhookDispatcher, body::Source},
};

/// Between two passes that nobody asked for: for repetitions, and for what other replicas wrote down and cannot send.
const PERIOD: Duration = Duration::from_secs(2);

/// Requests under way at once.
const CONCURRENCY: usize = 16;

/// For requests under way when the process stops.
const GOODBYE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct SendWebhooks {
    dispatcher: Arc<WebhookDispatcher>,
    under_way: JoinSet<Source>,
    /// Requests under way whose events stand in files.
    from_files: usize,
}

impl SendWebhooks {
    #[must_use]
    pub fn new(dispatcher: Arc<WebhookDispatcher>) -> Self {
        Self { dispatcher, under_way: JoinSet::new(), from_files: 0 }
    }
}

#[async_trait]
impl Task for SendWebhooks {
    fn name(&self) -> &'static str {
        "webhooks"
    }

    fn schedule(&self) -> Schedule {
        Schedule::every(PERIOD)
    }

    fn log_outage(&self, error: &TaskError) {
        tracing::warn!(event = "webhook_claim_failed", task = self.name(), %error, "due webhooks could not be read; will retry");
    }

    /// A claim that is cut off would hide its deliveries until their time is up.
    fn is_interruptible(&self) -> bool {
        false
    }

    async fn woken(&mut self) {
        tokio::select! {
            Some(done) = self.under_way.join_next() => {
                self.from_files = match done {
                    Ok(Source::Files) => self.from_files.saturating_sub(1),
                    Ok(Source::Database) => self.from_files,
                    // The panic took its source with it, and its place.
                    Err(_) => if self.under_way.is_empty() { 0 } else { self.from_files },
                };
            }
            () = self.dispatcher.woken.notified() => {}
        }
    }

    async fn pass(&mut self, _: &Pass<'_>) -> Result<Outcome, TaskError> {
        let free = CONCURRENCY.saturating_sub(self.under_way.len());
        if free == 0 {
            return Ok(Outcome::Skipped("all places are taken"));
        }
        let due = self.dispatcher.claim(free, self.from_files == 0).await?;
        let begun = due.len();
        for (source, due) in due {
            self.from_files += usize::from(source == Source::Files);
            let dispatcher = self.dispatcher.clone();
            self.under_way.spawn(async move {
                dispatcher.deliver(source, &due).await;
                source
            });
        }
        Ok(Outcome::done(match begun {
            0 => "nothing is due".into(),
            begun => format!("{begun} deliveries begun"),
        }))
    }

    async fn stopped(&mut self) {
        // Another replica, or the next process, sends what is cut off here again.
        let _ = tokio::time::timeout(GOODBYE, async { while self.under_way.join_next().await.is_some() {} })
            .await;
    }
}
