//! The backlog of webhooks for people who watch a running service, and its two levers.

use std::{sync::Arc, time::Duration};

use pipeline::run::RunId;
use serde_json::json;
use storage::{Delivery, DeliveryCounts, StorageError, StorageErrorKind};

use super::{WebhookDispatcher, admin::WebhookAdmin};
use crate::audit::{Actor, Audit};

/// The time limit of each look and each change.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Shows the backlog, and hastens it.
#[derive(Debug, Clone)]
pub struct WebhookDesk {
    pub dispatcher: Arc<WebhookDispatcher>,
    pub audit: Audit,
}

/// The backlog of the stores that answer.
#[derive(Debug, Clone)]
pub struct WebhookLook {
    pub counts: DeliveryCounts,
    /// Whether the events of the database are missing, because it is away.
    pub is_database_missing: bool,
}

impl WebhookDesk {
    /// The outboxes that answer now. In a mode without a database, and while it is away, only the files.
    fn admin(&self) -> (WebhookAdmin, bool) {
        let router = &self.dispatcher.router;
        let is_open = router.is_database_open();
        let database = self.dispatcher.database.clone().filter(|_| is_open);
        let is_missing = self.dispatcher.database.is_some() && !is_open;
        (WebhookAdmin { files: router.files().clone(), database }, is_missing)
    }

    /// Counts the events of all runs.
    ///
    /// # Errors
    ///
    /// The error of a store that is not known to be away.
    pub async fn look(&self) -> Result<WebhookLook, StorageError> {
        let (admin, is_database_missing) = self.admin();
        let counts = within(admin.counts()).await?;
        Ok(WebhookLook { counts, is_database_missing })
    }

    /// All events of a run.
    ///
    /// # Errors
    ///
    /// The error of a store that is not known to be away.
    pub async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>, StorageError> {
        within(self.admin().0.deliveries(run)).await
    }

    /// Makes all pending events due now. The dispatchers of all replicas send them. Returns how many waited.
    ///
    /// # Errors
    ///
    /// The error of a store. Some events may be due then.
    pub async fn hasten(&self, reason: Option<String>, actor: &Actor) -> Result<usize, StorageError> {
        let hastened = within(self.admin().0.hasten(self.dispatcher.visibility_timeout())).await;
        let mut record = self.audit.describe(actor, "webhook.send_now", "pending");
        record.reason = reason;
        record.new = Some(match &hastened {
            Ok(events) => json!({ "events": events }),
            Err(error) => json!({ "error": error.to_string() }),
        });
        self.audit.record(record).await?;
        self.dispatcher.woken.notify_one();
        hastened
    }

    /// Queues all events of a run again. None for an unknown run.
    ///
    /// # Errors
    ///
    /// The error of a store.
    pub async fn replay(
        &self,
        run: &RunId,
        reason: Option<String>,
        actor: &Actor,
    ) -> Result<Option<usize>, StorageError> {
        let Some(events) = within(self.admin().0.replay(run)).await? else { return Ok(None) };
        let mut record = self.audit.describe(actor, "webhook.replay", run.as_str());
        (record.new, record.reason) = (Some(json!({ "events": events })), reason);
        self.audit.record(record).await?;
        self.dispatcher.woken.notify_one();
        Ok(Some(events))
    }
}

async fn within<T>(call: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    tokio::time::timeout(TIMEOUT, call).await.unwrap_or_else(|_| {
        Err(StorageError::new(StorageErrorKind::Indeterminate, format!("no answer within {TIMEOUT:?}")))
    })
}
