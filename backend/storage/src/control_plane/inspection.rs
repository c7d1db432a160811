//! Questions of an operator's checks to the database about itself. None of them changes anything.

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StorageError;

/// The server and our session on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerFacts {
    pub version: String,
    pub database: String,
    /// The role that we log in with.
    pub role: String,
    pub is_superuser: bool,
    /// A standby takes no writes.
    pub is_in_recovery: bool,
    /// The database, or the role, is switched to read-only.
    pub is_read_only: bool,
    /// Whether the connection is encrypted, as the server sees it.
    pub is_encrypted: bool,
    /// Connections to this database, of all clients.
    pub connections: i64,
    pub connections_max: i64,
}

/// An index that costs writes and serves no reads, or serves nothing because it is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexFact {
    pub name: String,
    pub table: String,
    pub bytes: i64,
}

/// The health of our indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IndexFacts {
    /// Left behind by an interrupted build. One that is being built now is not among them.
    pub invalid: Vec<IndexFact>,
    /// Never read since the server's statistics began, on tables of at least 10,000 rows.
    pub unused: Vec<IndexFact>,
    pub total: usize,
}

/// How runs stand in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunFacts {
    /// Runs with a lease whose stage has lasted longer than its limit.
    pub stalled: i64,
    /// The ids of a hundred of them at most, the longest first.
    pub stalled_runs: Vec<String>,
    /// Runs that nobody executes although they wait for nothing.
    pub queued: i64,
    pub oldest_queued_seconds: i64,
}

/// A right on the control plane that somebody besides its owner has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForeignGrant {
    /// `PUBLIC` or a role.
    pub grantee: String,
    pub privilege: String,
    /// `schema innovation` or a table of it.
    pub object: String,
}

/// The rights on the schema `innovation`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GrantFacts {
    /// Whether the schema exists and this role may use it.
    pub is_usable: bool,
    pub foreign: Vec<ForeignGrant>,
}

/// A key that is old enough to be rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OldKey {
    pub id: String,
    pub name: String,
    pub role: String,
    pub created_at: Timestamp,
}

/// Questions to the database about itself.
#[async_trait]
pub trait DatabaseInspection: Send + Sync + std::fmt::Debug {
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the database fails. `Indeterminate` if it does not answer in time.
    async fn server(&self) -> Result<ServerFacts, StorageError>;

    /// # Errors
    ///
    /// As [`DatabaseInspection::server`].
    async fn indexes(&self) -> Result<IndexFacts, StorageError>;

    /// `stage_seconds_max` is the longest time that a stage may take.
    ///
    /// # Errors
    ///
    /// As [`DatabaseInspection::server`].
    async fn runs(&self, stage_seconds_max: u64) -> Result<RunFacts, StorageError>;

    /// The ids of runs whose row and files differ, so many at most.
    ///
    /// # Errors
    ///
    /// As [`DatabaseInspection::server`].
    async fn conflicting(&self, at_most: usize) -> Result<Vec<String>, StorageError>;

    /// # Errors
    ///
    /// As [`DatabaseInspection::server`].
    async fn grants(&self) -> Result<GrantFacts, StorageError>;

    /// Valid keys that are older than this, a hundred at most.
    ///
    /// # Errors
    ///
    /// As [`DatabaseInspection::server`].
    async fn keys_older_than(&self, days: u32) -> Result<Vec<OldKey>, StorageError>;
}
