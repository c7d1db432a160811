//! Reports of replicas about alerts, the one that notifies, and silences. A report and a book are JSON here: the service alone knows
//! what an alert means.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit::AuditRecord;
use crate::error::StorageError;

/// A rule that a person has silenced until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// A UUIDv7.
    pub id: String,
    /// The rule's id.
    pub rule: String,
    pub reason: String,
    /// The name of the key, or `command` for somebody at a shell of the service.
    pub actor: String,
    pub created_at: Timestamp,
    pub ends_at: Timestamp,
}

/// The looks of one replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertReport {
    pub replica: String,
    pub report: Value,
}

/// The part of a replica in an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertExchange {
    pub mine: AlertReport,
    /// How long this replica may notify after the exchange. The report of another replica counts for as long.
    pub lease: Duration,
}

/// The state that replicas share after an exchange.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SharedAlerts {
    /// Whether the replica that asks is the one that notifies.
    pub leads: bool,
    /// The state of all alerts, as the last leader saved it. None before the first.
    pub book: Option<Value>,
    /// The fresh reports of the other replicas, a hundred at most.
    pub reports: Vec<AlertReport>,
    /// The silences that have not ended, a hundred at most.
    pub silences: Vec<Silence>,
}

/// Figures that only the database has.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AlertFacts {
    /// How long the run has waited that has waited longest for a worker. None if none waits.
    pub oldest_queued: Option<Duration>,
    /// How long the webhook is overdue that is overdue longest. None if none is pending.
    pub oldest_webhook: Option<Duration>,
    /// Pending webhooks, ten thousand at most.
    pub pending_webhooks: u64,
    /// The dollars of today (UTC), of all principals.
    pub usd_today: f64,
}

/// Alerts in the database.
#[async_trait]
pub trait AlertStore: Send + Sync + std::fmt::Debug {
    /// Leaves a replica's report, takes or keeps the lease of the one that notifies, and reads what the others left.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn exchange(&self, exchange: &AlertExchange) -> Result<SharedAlerts, StorageError>;

    /// Saves the state of all alerts. False if another replica notifies meanwhile.
    ///
    /// # Errors
    ///
    /// As [`AlertStore::exchange`].
    async fn save_book(&self, owner: &str, book: &Value) -> Result<bool, StorageError>;

    /// Reads the state and the silences, for a reader that is no replica.
    ///
    /// # Errors
    ///
    /// As [`AlertStore::exchange`].
    async fn shared(&self) -> Result<SharedAlerts, StorageError>;

    /// Takes leave: another replica may notify at once.
    ///
    /// # Errors
    ///
    /// As [`AlertStore::exchange`].
    async fn leave(&self, replica: &str) -> Result<(), StorageError>;

    /// Stores a silence together with its audit record.
    ///
    /// # Errors
    ///
    /// As [`AlertStore::exchange`].
    async fn silence(&self, silence: &Silence, record: &AuditRecord) -> Result<(), StorageError>;

    /// Ends a silence now, together with its audit record. False if it has ended, or is unknown.
    ///
    /// # Errors
    ///
    /// As [`AlertStore::exchange`].
    async fn end_silence(&self, id: &str, record: &AuditRecord) -> Result<bool, StorageError>;

    /// Takes silences from files. One that is there already keeps the earlier end.
    ///
    /// # Errors
    ///
    /// As [`AlertStore::exchange`].
    async fn import_silences(&self, silences: &[Silence]) -> Result<(), StorageError>;

    /// Reads the figures that only the database has.
    ///
    /// # Errors
    ///
    /// As [`AlertStore::exchange`].
    async fn facts(&self) -> Result<AlertFacts, StorageError>;
}

/// The counts of one process in five minutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelCounts {
    pub slot: Timestamp,
    pub process: String,
    pub counts: Value,
}

/// The counts of the service level of all replicas.
#[async_trait]
pub trait ServiceLevels: Send + Sync + std::fmt::Debug {
    /// Stores the counts of a slot so far, in place of earlier ones of the same process. Removes those of more than two days.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn store_counts(&self, counts: &LevelCounts) -> Result<(), StorageError>;

    /// The counts of the other processes since a time, ten thousand slots at most.
    ///
    /// # Errors
    ///
    /// As [`ServiceLevels::store_counts`].
    async fn counts_of_others(
        &self,
        process: &str,
        since: Timestamp,
    ) -> Result<Vec<LevelCounts>, StorageError>;
}
