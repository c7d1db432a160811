//! The audit: one record for every change by a person.
//!
//! A change and its record are written by one statement. While the database is away, the record stands in the file storage
//! below `.audit/`, and is imported later. Nothing but retention deletes it.

use async_trait::async_trait;
use pipeline::{clock::Timestamp, run::RunStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::StorageError;

/// One change: who changed what, when and why. The form is the same in the database and in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// A UUIDv7, so that ids of one process are in the order of time.
    pub id: String,
    pub at: Timestamp,
    /// The name of the key, `environment`, or `command` for somebody at a shell of the service.
    pub actor: String,
    pub role: String,
    pub address: Option<String>,
    /// `flag.set`, `key.create`, `run.cancel`: the thing and the verb.
    pub action: String,
    /// The flag's key, the key's id, the run's id.
    pub target: String,
    pub old: Option<Value>,
    pub new: Option<Value>,
    pub reason: Option<String>,
    pub request_id: Option<String>,
    pub deployment: Option<String>,
    /// When it came from a file into the database.
    #[serde(default)]
    pub imported_at: Option<Timestamp>,
}

impl AuditRecord {
    /// The record of a run's retry.
    pub(crate) fn of_retry(&self, old: RunStatus, generation: i32) -> Self {
        self.of_change(Some(old), json!({ "status": RunStatus::Processing, "generation": generation }))
    }

    /// The record of a run's cancellation.
    pub(crate) fn of_cancel(&self, old: RunStatus) -> Self {
        self.of_change(Some(old), json!({ "status": RunStatus::Cancelled }))
    }

    /// The record of a run's deletion. The status is None where the store does not have the run.
    pub(crate) fn of_delete(&self, old: Option<RunStatus>) -> Self {
        self.of_change(old, json!({ "deleted": true }))
    }

    fn of_change(&self, old: Option<RunStatus>, new: Value) -> Self {
        Self { old: old.map(|status| json!({ "status": status })), new: Some(new), ..self.clone() }
    }
}

/// Which records to list. All conditions have to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// The name of the key.
    pub actor: Option<String>,
    /// The whole action, or its first part: `run` for `run.cancel` and `run.retry`.
    pub action: Option<String>,
    /// The thing's id.
    pub target: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether a record is wanted.
    #[must_use]
    pub fn admits(&self, record: &AuditRecord) -> bool {
        let is_action = |wanted: &str| {
            let rest = record.action.strip_prefix(wanted);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.actor.as_ref().is_none_or(|actor| *actor == record.actor)
            && self.action.as_deref().is_none_or(is_action)
            && self.target.as_ref().is_none_or(|target| *target == record.target)
            && self.since.is_none_or(|since| record.at >= since)
    }
}

/// The audit in the database.
#[async_trait]
pub trait AuditLog: Send + Sync + std::fmt::Debug {
    /// Adds records of changes that no statement of the control plane made. A record that is there already stays as it is.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn add(&self, records: &[AuditRecord]) -> Result<(), StorageError>;

    /// Lists up to `limit` wanted records before this id and time, the newest first.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn newest(
        &self,
        filter: &AuditFilter,
        before: Option<(Timestamp, String)>,
        limit: usize,
    ) -> Result<Vec<AuditRecord>, StorageError>;

    /// Removes up to `limit` records that are older than this time. Returns how many.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn expire(&self, before: Timestamp, limit: usize) -> Result<usize, StorageError>;
}
