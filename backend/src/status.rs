//! The state of the service as a command sees it: modes, stores, replicas, queue, and what a redeploy would lose. Each look
//! has a time limit, and a store that does not answer leaves its part open.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use serde::Serialize;
use storage::{
    COUNTED_MAX, QueueStats, Replica, ReplicaRegistry, StorageError, StorageErrorKind,
    files::DurabilityForecast, prelude::*, router::Router,
};

use crate::health::{Durability, FileStorage};

/// The time limit of each look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the figures come from.
#[derive(Debug, Clone)]
pub struct StatusSources {
    pub router: Arc<Router>,
    /// None without a database. The same holds for the queue.
    pub registry: Option<Arc<dyn ReplicaRegistry>>,
    pub queue_stats: Option<Arc<dyn QueueStats>>,
    pub file_storage: FileStorage,
    pub clock: Arc<dyn Clock>,
}

/// The state of the service. None stands for a figure that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceStatus {
    /// The mode that the flags select.
    pub mode: &'static str,
    /// The mode that holds now.
    pub effective_mode: &'static str,
    /// `ok`, `none`, or the error.
    pub database: String,
    /// `ok`, or the error.
    pub files: String,
    /// The location of the files.
    pub place: String,
    pub file_storage: FileStorage,
    pub replicas: Option<Vec<Replica>>,
    /// Accepted runs that wait for a worker.
    pub queue: Option<usize>,
    /// Runs whose row and files differ.
    pub conflicts: Option<usize>,
    /// The parts of runs that these files have and the database lacks.
    pub unsynced: Option<UnsyncedStatus>,
    /// The runs that are lost with this disk.
    pub forecast: Option<DurabilityForecast>,
}

/// Parts of runs that the database lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UnsyncedStatus {
    pub runs: usize,
    pub stages: usize,
    pub is_exact: bool,
    pub oldest_seconds: Option<i64>,
}

impl StatusSources {
    /// Looks at everything at once.
    pub async fn look(&self) -> ServiceStatus {
        let files = self.router.files();
        let (database, probed, replicas, queue, conflicts, unsynced, forecast) = tokio::join!(
            self.probe_database(),
            within(files.probe()),
            of(self.registry.as_ref().map(|registry| registry.replicas())),
            of(self.queue_stats.as_ref().map(|stats| stats.queue_depth(COUNTED_MAX))),
            of(self.queue_stats.as_ref().map(|stats| stats.conflicts(COUNTED_MAX))),
            within(files.unsynced()),
            self.forecast(),
        );
        let mode = self.router.flags().mode();
        let is_away = !matches!(database, Some(Ok(())));
        let effective = if is_away { mode.without_database() } else { mode };
        let now = self.clock.now();
        ServiceStatus {
            mode: mode.as_str(),
            effective_mode: effective.as_str(),
            database: database.map_or_else(|| "none".to_owned(), word),
            files: word(probed),
            place: files.place(),
            file_storage: self.file_storage,
            replicas,
            queue,
            conflicts,
            unsynced: unsynced.ok().map(|unsynced| UnsyncedStatus {
                runs: unsynced.runs,
                stages: unsynced.stages,
                is_exact: unsynced.is_exact,
                oldest_seconds: unsynced.oldest_age(now).map(|age| age.num_seconds()),
            }),
            forecast,
        }
    }

    /// None without a database.
    async fn probe_database(&self) -> Option<Result<(), StorageError>> {
        Some(within(self.router.database()?.store.probe()).await)
    }

    async fn forecast(&self) -> Option<DurabilityForecast> {
        if self.file_storage.durability() == Durability::Durable {
            return Some(DurabilityForecast::nothing());
        }
        let has_database = self.router.database().is_some();
        within(self.router.files().durability_forecast(has_database)).await.ok()
    }
}

async fn within<T>(look: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    let late = || StorageError::new(StorageErrorKind::Indeterminate, "no answer within 5 s");
    tokio::time::timeout(LOOK_TIMEOUT, look).await.unwrap_or_else(|_| Err(late()))
}

async fn of<T>(look: Option<impl Future<Output = Result<T, StorageError>>>) -> Option<T> {
    within(look?).await.ok()
}

fn word(probed: Result<(), StorageError>) -> String {
    probed.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
}
