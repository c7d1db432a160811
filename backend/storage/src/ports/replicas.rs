//! The registry of running replicas.

use async_trait::async_trait;
use serde::Serialize;

use crate::error::StorageError;

/// A running process of the service, as in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Replica {
    pub id: String,
    /// `all`, `web` or `worker`.
    pub role: String,
    pub version: String,
    pub git_sha: Option<String>,
    /// The revision and the values of its flags. During a change of flags, replicas differ for a moment.
    pub flags: String,
    pub runs_in_flight: u32,
    pub is_draining: bool,
    /// Whole seconds since its last heartbeat.
    pub silent_seconds: u32,
}

/// The replicas that share a database.
#[async_trait]
pub trait ReplicaRegistry: Send + Sync + std::fmt::Debug {
    /// Lists the replicas with a recent heartbeat.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn replicas(&self) -> Result<Vec<Replica>, StorageError>;

    /// Sends a heartbeat. Returns the ids of the other replicas that sent one in the last ten minutes, a
    /// thousand at most.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn heartbeat(&self, replica: &Replica) -> Result<Vec<String>, StorageError>;

    /// Removes a stopping replica from the registry.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn leave(&self, replica_id: &str) -> Result<(), StorageError>;
}
