//! An operator's commands for webhooks.

use std::sync::Arc;

use pipeline::run::RunId;

use super::body::{Content, Source, content};
use storage::{Delivery, DeliveryCounts, Outbox, StorageError, WebhookEvent, files::FileStore};

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
            all.oldest_pending_seconds = all.oldest_pending_seconds.max(one.oldest_pending_seconds);
        }
        Ok(all)
    }

    fn outboxes(&self) -> impl Iterator<Item = (Source, &dyn Outbox)> {
        let database = self.database.iter().map(|database| (Source::Database, &**database as &dyn Outbox));
        database.chain([(Source::Files, &self.files as &dyn Outbox)])
    }
}
