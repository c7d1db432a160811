//! Keeps this process's entry in the registry of replicas, and learns there whether it is alone.

use std::{sync::Arc, time::Duration};

use crate::{config::Role, health::Identity, worker::Worker};
use storage::{
    Replica, ReplicaRegistry, StorageError,
    mode::Flags,
    router::{ReplicaPresence, Router},
};

/// The longest time between two heartbeats. The health page lists a replica until it has been silent for a minute.
const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(5);

/// Sends this process's heartbeats.
#[derive(Debug, Clone)]
pub struct ReplicaHeartbeat {
    pub registry: Arc<dyn ReplicaRegistry>,
    pub router: Arc<Router>,
    pub worker: Worker,
    pub presence: Arc<ReplicaPresence>,
    pub identity: Identity,
    pub role: Role,
}

impl ReplicaHeartbeat {
    /// The wait between two heartbeats.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.worker.lease().duration.min(HEARTBEAT_INTERVAL_MAX)
    }

    /// Writes one heartbeat. Returns whether there are other replicas, or none in a mode without database and
    /// while the breaker is open.
    ///
    /// # Errors
    ///
    /// The errors of the database. The last known presence stays, because an outage of the database stops no
    /// replica.
    pub async fn write(&self) -> Result<Option<bool>, StorageError> {
        if !self.router.is_database_open() {
            return Ok(None);
        }
        let has_peers = self.registry.heartbeat(&self.replica()).await?;
        self.presence.set_has_peers(has_peers);
        Ok(Some(has_peers))
    }

    /// Removes the entry, because a stopping process must not count as another replica.
    pub async fn leave(&self) {
        if self.router.is_database_open()
            && let Err(error) = self.registry.leave(&self.identity.replica).await
        {
            tracing::warn!(event = "replica_not_deregistered", %error, "this replica could not be removed from the registry");
        }
    }

    fn replica(&self) -> Replica {
        let Flags { database_writes, file_fallback, revision } = self.router.flags();
        Replica {
            id: self.identity.replica.clone(),
            role: self.role.as_str().to_owned(),
            version: self.identity.version.to_owned(),
            git_sha: Some(self.identity.git_sha.clone()),
            flags: format!("{revision}: database_writes={database_writes} file_fallback={file_fallback}"),
            runs_in_flight: u32::try_from(self.worker.active_count()).unwrap_or(u32::MAX),
            is_draining: self.worker.is_stopping(),
            silent_seconds: 0,
        }
    }
}
