//! Keeps this process's entry in the registry of replicas, and learns there whether it is alone.

use std::{sync::Arc, time::Duration};

use crate::{config::Role, health::Identity, worker::Worker};
use storage::{
    Replica, ReplicaRegistry,
    mode::Flags,
    router::{ReplicaPresence, Router},
};

/// The longest time between two heartbeats. Other replicas forget a silent one after a minute.
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
    /// Sends heartbeats for ever, except in a mode without database and while the breaker is open.
    pub async fn run(&self) {
        let interval = self.worker.lease().duration.min(HEARTBEAT_INTERVAL_MAX);
        let mut was_failing = false;
        loop {
            if self.router.is_database_open() {
                match self.registry.heartbeat(&self.replica()).await {
                    Ok(has_peers) => {
                        was_failing = false;
                        self.presence.set_has_peers(has_peers);
                    }
                    // Log once per outage. The last known presence stays, because an outage of the database
                    // stops no replica.
                    Err(error) if !was_failing => {
                        was_failing = true;
                        tracing::warn!(event = "heartbeat_failed", %error, "the heartbeat could not be written to the replica registry; will retry");
                    }
                    Err(_) => {}
                }
            }
            tokio::time::sleep(interval).await;
        }
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
