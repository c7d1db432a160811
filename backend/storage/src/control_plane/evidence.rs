//! The evidence: what somebody or something proved at a time. A check reads the newest of its kind, and judges its age.

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::audit::AuditRecord;
use crate::error::StorageError;

/// One proof: a rehearsed rollback, a confirmed backup, a report of staging, a smoke test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// A UUIDv7, so that ids of one process are in the order of time.
    pub id: String,
    /// `rehearsal`, `backup`, `staging`, `smoke`: one word for each check that reads it.
    pub kind: String,
    pub at: Timestamp,
    /// Whether it proves that the thing works, or that it does not.
    pub passed: bool,
    /// The steps with their timings, in a form of the kind's own.
    pub content: Value,
}

/// The evidence in the database.
#[async_trait]
pub trait EvidenceLog: Send + Sync + std::fmt::Debug {
    /// Adds one proof and the audit record of it, in one statement. A proof that is there already stays as it is, so the call
    /// may be repeated.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn add(&self, evidence: &Evidence, audit: &AuditRecord) -> Result<(), StorageError>;

    /// Loads the newest proof of a kind. None if there was never one.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn newest(&self, kind: &str) -> Result<Option<Evidence>, StorageError>;
}
