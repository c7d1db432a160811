//! A failed check that a person accepts, until a time.

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::audit::AuditRecord;
use crate::error::StorageError;

/// The acceptance of one failed check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiver {
    pub check_id: String,
    pub reason: String,
    pub actor: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The waivers in the database.
#[async_trait]
pub trait Waivers: Send + Sync + std::fmt::Debug {
    /// Stores a waiver in place of an earlier one for the same check, together with its audit record.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn accept(&self, waiver: &Waiver, record: &AuditRecord) -> Result<(), StorageError>;

    /// The waivers that have not expired, a thousand at most.
    ///
    /// # Errors
    ///
    /// As [`Waivers::accept`].
    async fn current(&self) -> Result<Vec<Waiver>, StorageError>;
}
