//! The values of flags that operators set, the history of their changes, and which replica has applied which revision.
//!
//! A flag's value is JSON here: true, false, or a percentage. The service alone knows what a flag means.

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit::AuditRecord;
use crate::error::StorageError;

/// The flags of the database at one revision.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StoredFlags {
    /// The revision of the last change of any flag. 0 before the first.
    pub revision: u64,
    pub flags: Vec<StoredFlag>,
}

/// One flag that was ever set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredFlag {
    pub key: String,
    /// None if the last change has removed the value.
    pub value: Option<Value>,
    /// The revision of its last change.
    pub revision: u64,
    /// The order that made its last change, if one did.
    #[serde(default)]
    pub order_id: Option<String>,
}

/// A change of one flag, as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagEdit {
    pub key: String,
    /// None removes the value.
    pub new: Option<Value>,
    /// The store fills in the old value.
    pub audit: AuditRecord,
}

/// Changes of flags that are made together or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct FlagEdits {
    /// Each has a key of its own.
    pub edits: Vec<FlagEdit>,
    /// The revision that the caller has seen.
    pub expected: u64,
    /// The order that asked for it while the database was away.
    pub order_id: Option<String>,
}

/// A change of one flag, as it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FlagChange {
    pub revision: u64,
    pub key: String,
    /// Missing if the flag had no value in the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// Missing if the change has removed the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// The name of the key, or `command` for somebody at a shell of the service.
    pub actor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The order that asked for it while the database was away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
}

/// The revision that a live replica has applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReplicaAck {
    pub replica: String,
    /// Missing while the replica has applied none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The source of the replica's storage flags. Missing as the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whole seconds since the replica was last seen.
    pub silent_seconds: u32,
}

/// The flags in the database.
#[async_trait]
pub trait FlagStore: Send + Sync + std::fmt::Debug {
    /// Reads all flags.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails.
    async fn load(&self) -> Result<StoredFlags, StorageError>;

    /// Makes all changes, their history and their audit records in one statement, and notifies the replicas.
    ///
    /// # Errors
    ///
    /// `CasConflict` if the flags have another revision than expected, or if the order was imported already. `Unavailable`
    /// or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn change(&self, edits: &FlagEdits) -> Result<Vec<FlagChange>, StorageError>;

    /// Lists up to `limit` changes before this revision, of one flag or of all, the newest first.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails.
    async fn history(
        &self,
        key: Option<&str>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<FlagChange>, StorageError>;

    /// Whether an order has become changes.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails.
    async fn has_order(&self, order_id: &str) -> Result<bool, StorageError>;

    /// Records the revision that a replica has applied, and the source of its storage flags.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn acknowledge(&self, replica: &str, revision: u64, source: &str) -> Result<(), StorageError>;

    /// Forgets a replica that stops.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn forget(&self, replica: &str) -> Result<(), StorageError>;

    /// Lists the live replicas, a thousand at most: those with a heartbeat or an acknowledgement in the last minute.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails.
    async fn acknowledgements(&self) -> Result<Vec<ReplicaAck>, StorageError>;
}
