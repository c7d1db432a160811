//! Keeps this process's entry in the registry of replicas, and learns there whether it is alone.

use std::{io, sync::Arc, time::Duration};

use foundation::one_at_a_time::OneAtATime;
use pipeline::clock::Clock;
use tokio::{task::spawn_blocking, time::timeout};

use crate::{config::Role, health::Identity, worker::Worker};
use storage::{
    Replica, ReplicaRegistry, StorageError,
    files::ReplicaLocks,
    mode::Flags,
    router::{ReplicaPresence, Router},
};

/// The longest time between two heartbeats. The health page lists a replica until it has been silent for a minute.
const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_secs(5);

/// A disk that takes longer hangs. Its replicas count as alive then, and nothing is noted.
const DISK_TIMEOUT: Duration = Duration::from_secs(2);

/// The replicas that lived on this process's disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DiskReplicas {
    pub locks: Arc<ReplicaLocks>,
    pub presence: Arc<ReplicaPresence>,
    /// This process's id in the registry.
    pub replica: String,
    pub clock: Arc<dyn Clock>,
    /// The heartbeat goes on while the disk hangs.
    pub calls: OneAtATime,
}

impl DiskReplicas {
    /// Announces this process on its disk, and goes on with the look of a process that died there. Returns
    /// whether there was such a look.
    ///
    /// # Errors
    ///
    /// An error of the file system. `TimedOut` if the disk hangs.
    pub async fn enter(&self) -> io::Result<bool> {
        let (locks, replica, now) = (self.locks.clone(), self.replica.clone(), self.clock.now());
        let look_left = self.on_disk(move || locks.enter(&replica, now)).await?;
        if let Some(left) = look_left {
            self.presence.inherit_look(left);
        }
        Ok(look_left.is_some())
    }

    /// Whether any of these replicas lives: one that died on this disk does not.
    async fn any_alive(&self, replicas: Vec<String>) -> bool {
        let locks = self.locks.clone();
        let looked = self.on_disk(move || Ok(replicas.iter().any(|replica| !locks.is_dead(replica)))).await;
        // A disk that does not answer proves nobody's death.
        looked.unwrap_or(true)
    }

    async fn note_look(&self, has_peers: bool) {
        let (locks, now) = (self.locks.clone(), self.clock.now());
        note_failure(self.on_disk(move || locks.note_look(has_peers, now)).await);
    }

    async fn note_goodbye(&self) {
        let (locks, now) = (self.locks.clone(), self.clock.now());
        note_failure(self.on_disk(move || locks.note_goodbye(now)).await);
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = self.calls.turn(DISK_TIMEOUT).await.ok_or(io::ErrorKind::TimedOut)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        match timeout(DISK_TIMEOUT, spawn_blocking(work)).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(io::Error::other(error)),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Without its note, the next process of this disk knows less, and accepts less.
fn note_failure(noted: io::Result<()>) {
    if let Err(error) = noted {
        tracing::debug!(event = "replica_note_failed", %error, "the last look at the registry could not be noted on the disk");
    }
}

/// Sends this process's heartbeats.
#[derive(Debug, Clone)]
pub struct ReplicaHeartbeat {
    pub registry: Arc<dyn ReplicaRegistry>,
    pub router: Arc<Router>,
    pub worker: Worker,
    pub presence: Arc<ReplicaPresence>,
    /// None with a bucket.
    pub disk: Option<DiskReplicas>,
    pub identity: Identity,
    pub role: Role,
}

impl ReplicaHeartbeat {
    /// The wait between two heartbeats.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.worker.lease().duration.min(HEARTBEAT_INTERVAL_MAX)
    }

    /// Writes one heartbeat, and takes note of the other replicas. Returns whether there are other replicas, or none in a mode without database and
    /// while the breaker is open.
    ///
    /// # Errors
    ///
    /// The errors of the database. The last known presence stays, because an outage of the database stops no
    /// replica.
    pub async fn write(&self) -> Result<Option<bool>, StorageError> {
        let written = self.try_write().await;
        if !matches!(written, Ok(Some(_))) {
            self.presence.lose_registry();
        }
        written
    }

    async fn try_write(&self) -> Result<Option<bool>, StorageError> {
        if !self.router.is_database_open() {
            return Ok(None);
        }
        let mut others = self.registry.heartbeat(&self.replica()).await?;
        if !self.presence.has_looked() {
            // Of two replicas that register at the same moment, neither sees the other's new entry. The second
            // look begins after this process's entry is committed, so at least one of them sees the other.
            others = self.registry.heartbeat(&self.replica()).await?;
        }
        let has_peers = match &self.disk {
            Some(disk) if !others.is_empty() => disk.any_alive(others).await,
            _ => !others.is_empty(),
        };
        let is_alone = self.presence.set_has_peers(has_peers);
        if let Some(disk) = &self.disk {
            disk.note_look(!is_alone).await;
        }
        Ok(Some(has_peers))
    }

    /// Removes the entry, because a stopping process must not count as another replica.
    pub async fn leave(&self) {
        if !self.router.is_database_open() {
            return;
        }
        match self.registry.leave(&self.identity.replica).await {
            Ok(()) => {
                if let Some(disk) = &self.disk {
                    disk.note_goodbye().await;
                }
            }
            Err(error) => {
                tracing::warn!(event = "replica_not_deregistered", %error, "this replica could not be removed from the registry");
            }
        }
    }

    fn replica(&self) -> Replica {
        let Flags { database_writes, file_fallback, revision, .. } = self.router.flags();
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
