//! An operator's commands for webhooks.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use pipeline::run::RunId;

use super::{
    WebhookDispatcher,
    body::{Content, Source, content},
};
use storage::{Delivery, DeliveryCounts, Outbox, StorageError, WebhookEvent, files::FileStore};

/// Requests of a command at once.
const AT_ONCE: usize = 16;

/// The wait between two looks at what is pending.
const POLL: Duration = Duration::from_millis(500);

/// The longest time for which a command sends: a receiver that refuses everything gets each event again and again.
const SEND_NOW_MAX: Duration = Duration::from_secs(600);

/// The result of sending at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SentNow {
    /// Requests of this command.
    pub attempts: usize,
    /// Delivered meanwhile, by this command or by a service.
    pub delivered: u64,
    pub gave_up: u64,
    /// Still pending.
    pub pending: u64,
}

/// Reads the outboxes directly, while a service may be running.
#[derive(Debug)]
pub struct WebhookAdmin {
    pub files: FileStore,
    /// None without a database, or if it is switched off.
    pub database: Option<Arc<dyn Outbox>>,
}

impl WebhookAdmin {
    /// Queues all events of a run again, and returns their number. Events that a retry has superseded are
    /// left out. None for an unknown run.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    pub async fn replay(&self, run: &RunId) -> Result<Option<usize>, StorageError> {
        for (source, outbox) in self.outboxes() {
            if let Some(snapshot) = outbox.load(run).await? {
                let events = WebhookEvent::all_of(&snapshot);
                let mut all: Vec<(i32, WebhookEvent)> =
                    outbox.deliveries(run).await?.iter().map(|one| (one.generation, one.event)).collect();
                for event in &events {
                    if !all.iter().any(|(_, known)| known == event) {
                        all.push((snapshot.generation, *event));
                    }
                }
                outbox.replay(run, snapshot.generation, &events).await?;
                all.retain(|(generation, event)| {
                    content(&snapshot, *generation, *event, source) != Content::Superseded
                });
                return Ok(Some(all.len()));
            }
        }
        Ok(None)
    }

    /// All events of a run, delivered and pending, in order.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    pub async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>, StorageError> {
        let mut all = Vec::new();
        for (_, outbox) in self.outboxes() {
            all.extend(outbox.deliveries(run).await?);
        }
        all.sort_by_key(Delivery::position);
        Ok(all)
    }

    /// Counts the events of all runs by outcome.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    pub async fn counts(&self) -> Result<DeliveryCounts, StorageError> {
        let mut all = DeliveryCounts::default();
        for (_, outbox) in self.outboxes() {
            let one = outbox.count_deliveries().await?;
            all.pending += one.pending;
            all.delivered += one.delivered;
            all.gone += one.gone;
            all.gave_up += one.gave_up;
            one.gave_up_runs.iter().for_each(|run| all.name_gave_up(run));
            all.oldest_pending_seconds = all.oldest_pending_seconds.max(one.oldest_pending_seconds);
        }
        Ok(all)
    }

    /// Makes all pending events due now, and sends those that no other process holds. Events under way elsewhere, and those
    /// in files that a running service keeps, are left to their process. It ends when nothing is pending, or when everything
    /// that was pending has been tried.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    pub async fn send_now(&self, dispatcher: &WebhookDispatcher) -> Result<SentNow, StorageError> {
        let before = self.counts().await?;
        let visibility = dispatcher.visibility_timeout();
        self.hasten(visibility).await?;
        let begun = dispatcher.clock.monotonic();
        let mut attempts = 0;
        loop {
            let due = dispatcher.claim(AT_ONCE, false).await?;
            attempts += due.len();
            join_all(due.iter().map(|(source, due)| dispatcher.deliver(*source, due))).await;
            let after = self.counts().await?;
            let waited = dispatcher.clock.monotonic().saturating_sub(begun);
            if after.pending == 0 || due.is_empty() && waited >= visibility || waited >= SEND_NOW_MAX {
                return Ok(SentNow {
                    attempts,
                    delivered: after.delivered.saturating_sub(before.delivered),
                    gave_up: after.gave_up.saturating_sub(before.gave_up),
                    pending: after.pending,
                });
            }
            if due.is_empty() {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Makes all pending events due now, and returns how many waited.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    pub async fn hasten(&self, visibility_timeout: Duration) -> Result<usize, StorageError> {
        let mut hastened = 0;
        for (_, outbox) in self.outboxes() {
            hastened += outbox.hasten(visibility_timeout).await?;
        }
        Ok(hastened)
    }

    fn outboxes(&self) -> impl Iterator<Item = (Source, &dyn Outbox)> {
        let database = self.database.iter().map(|database| (Source::Database, &**database as &dyn Outbox));
        database.chain([(Source::Files, &self.files as &dyn Outbox)])
    }
}
