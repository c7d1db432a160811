//! The registry of replicas, and the figures that only the database knows.

use async_trait::async_trait;
use serde::Serialize;

use crate::error::StorageError;

/// A running process of the service, as the registry shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Replica {
    pub id: String,
    /// `all`, `web` or `worker`.
    pub role: String,
    pub version: String,
    pub git_sha: Option<String>,
    /// The revision and the words of the flags that it goes by: replicas that differ have not all seen a flip yet.
    pub flags: String,
    pub runs_in_flight: u32,
    pub is_draining: bool,
    /// Whole seconds since its last sign of life.
    pub silent_seconds: u32,
}

/// What is known beyond this process: asked of the database.
#[async_trait]
pub trait ReplicaRegistry: Send + Sync + std::fmt::Debug {
    /// Accepted runs that nobody works on yet, counted up to a number.
    async fn queue_depth(&self, at_most: usize) -> Result<usize, StorageError>;

    /// Runs of which row and files hold different records now, counted up to a number.
    async fn conflicts(&self, at_most: usize) -> Result<usize, StorageError>;

    /// The replicas that have shown a sign of life lately.
    async fn replicas(&self) -> Result<Vec<Replica>, StorageError>;

    /// Shows a sign of life; returns whether another replica has shown one in the last ten minutes.
    async fn heartbeat(&self, replica: &Replica) -> Result<bool, StorageError>;

    /// Takes a replica that stops out of the registry.
    async fn leave(&self, replica_id: &str) -> Result<(), StorageError>;
}
