//! This process's row in the registry of replicas, and what it learns there: whether it is alone.

use std::{sync::Arc, time::Duration};

use crate::{config::Role, health::Identity, worker::Worker};
use storage::{
    Replica, ReplicaRegistry,
    mode::Flags,
    router::{ReplicaPresence, Router},
};

/// Between two signs of life, at most: others take a replica for gone after a minute.
const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(5);

/// Keeps the row.
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
    /// Shows signs of life, for ever. Not in a mode without the database, and not while its breaker is open.
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
                    // Once an outage. What was known stays: replicas do not go because the database does.
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

    /// Takes the row out: whoever stops is no company.
    pub async fn leave(&self) {
        if self.router.is_database_open()
            && let Err(error) = self.registry.leave(&self.identity.replica).await
        {
            tracing::warn!(event = "replica_not_deregistered", %error, "this replica could not be taken out of the registry");
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
