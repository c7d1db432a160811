//! The health of the process and of its dependencies, in one model that the HTTP routes show.
//!
//! # Invariants
//!
//! * No question to a dependency delays a caller for more than [`TIMEOUT`], whatever the dependency does.
//! * A dependency's failure is an answer, never an error.
//! * In `FILE_ONLY` mode, health does not query the database.

pub mod baseline;
pub mod cached;
pub mod check;
pub mod checks;
pub mod details;
mod durability;
mod figures;
mod messages;
pub mod outside;
pub mod overview;
pub mod report;
pub mod watched;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use pipeline::{clock::Clock, record::millis};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use self::cached::Cached;
pub use self::figures::DegradedReason;
use self::figures::Figures;
pub use self::messages::Audience;
use self::outside::Outside;
use crate::{
    alerts::admin::AlertAdmin,
    background::Background,
    config::{Config, Environment, StoragePlace},
    documents::readers::Readers,
    flags::FlagSource,
    llm::gate::Gate,
    worker::Worker,
};
use storage::{
    QueueStats, Replica, ReplicaRegistry, StorageError, StorageErrorKind, WaitReason,
    breaker::BreakerState,
    files::{DurabilityForecast, Unsynced},
    mode::Mode,
    prelude::*,
    router::{Database, FileRefusal, Router, StorageState},
    sync::Reconciler,
};

/// How long a store's answer is cached.
const KEEP: Duration = Duration::from_secs(5);

/// How long a caller waits for a store's answer.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// How long the result of the document parser's self-test is cached, because the test starts a process.
const PARSER_KEEP: Duration = Duration::from_secs(60);

/// How long a caller waits for the self-test. It may have to wait for two documents.
const PARSER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a count is cached, because counting reads every run's folder.
const COUNT_KEEP: Duration = Duration::from_secs(10);

/// The largest count. Counting takes time, and nobody needs a larger figure.
const COUNTED_MAX: usize = 100_000;

/// The identity of this process.
#[derive(Debug, Clone)]
pub struct Identity {
    pub version: &'static str,
    /// The commit of the build, or `unknown`.
    pub git_sha: String,
    pub environment: Environment,
    /// This process's name among the replicas.
    pub replica: String,
}

impl Identity {
    /// The commit from the platform at run time, else from the build (`GIT_SHA`).
    #[must_use]
    pub fn commit(at_run_time: Option<&str>) -> String {
        at_run_time.or(option_env!("GIT_SHA")).filter(|sha| !sha.is_empty()).unwrap_or("unknown").to_owned()
    }
}

/// The environment's name, in health and logs.
#[must_use]
pub const fn environment_name(environment: Environment) -> &'static str {
    match environment {
        Environment::Development => "development",
        Environment::Staging => "staging",
        Environment::Production => "production",
    }
}

/// Whether stored data survives the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    Durable,
    /// The next deploy deletes it.
    Ephemeral,
}

/// The location of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileStorage {
    /// A developer's own disk.
    Local,
    /// A disk that the platform mounts into each of its containers.
    Volume,
    /// A bucket that all replicas share.
    Bucket,
    /// A container's own disk, which the next deploy deletes.
    Ephemeral,
}

impl FileStorage {
    /// Determines the kind of storage. A deployment's disk is ephemeral, unless the folder is on a mounted
    /// volume. Railway names the volume in `RAILWAY_VOLUME_MOUNT_PATH`. A developer's disk is not ephemeral.
    #[must_use]
    pub fn of(environment: Environment, place: &StoragePlace, volume: Option<&Path>) -> Self {
        let StoragePlace::Folder(folder) = place else { return Self::Bucket };
        // Only a folder without a name cannot be made absolute.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
        if volume.is_some_and(|volume| folder.starts_with(volume)) {
            Self::Volume
        } else if environment == Environment::Development {
            Self::Local
        } else {
            Self::Ephemeral
        }
    }

    /// The kind of storage that the configuration names.
    #[must_use]
    pub fn of_config(config: &Config) -> Self {
        Self::of(config.process.environment, &config.storage.place, config.process.volume.as_deref())
    }

    /// Whether files there survive the container.
    #[must_use]
    pub fn durability(self) -> Durability {
        if self == Self::Ephemeral { Durability::Ephemeral } else { Durability::Durable }
    }
}

/// The sources of health.
#[derive(Debug, Clone)]
pub struct HealthDeps {
    pub identity: Identity,
    pub router: Arc<Router>,
    pub worker: Worker,
    pub clock: Arc<dyn Clock>,
    pub file_storage: FileStorage,
    /// None if the flags are fixed.
    pub flags: Option<FlagSource>,
    /// None without a database.
    pub reconciler: Option<Arc<Reconciler>>,
    /// None without a database.
    pub registry: Option<Arc<dyn ReplicaRegistry>>,
    /// The counts of runs, by the same database.
    pub queue_stats: Option<Arc<dyn QueueStats>>,
    /// None with the extractive analyst.
    pub model: Option<Arc<Gate>>,
    pub readers: Readers,
}

/// Answers questions about health.
#[derive(Debug)]
pub struct Health {
    sources: HealthDeps,
    /// The answer, and when it was asked for by the monotonic clock.
    database: Cached<(Duration, Result<(), StorageError>)>,
    files: Cached<Result<(), StorageError>>,
    unsynced: Cached<Result<Unsynced, StorageError>>,
    forecast: Cached<Result<DurabilityForecast, StorageError>>,
    open: Cached<Result<usize, StorageError>>,
    queue: Cached<Result<usize, StorageError>>,
    waiting: Cached<Result<BTreeMap<WaitReason, usize>, StorageError>>,
    conflicts: Cached<Result<usize, StorageError>>,
    replicas: Cached<Result<Vec<Replica>, StorageError>>,
    /// Fails with the code of the document error.
    parser: Cached<Result<(), &'static str>>,
    /// None where no task was started.
    background: Option<Background>,
    /// None where only the stores are looked at.
    outside: Option<Outside>,
    /// None where no rule is looked at.
    alerts: Option<AlertAdmin>,
}

/// The overall status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Healthy,
    /// The service works, but not as configured.
    Degraded,
    /// The service cannot accept a run.
    Unhealthy,
}

/// The database's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    Healthy,
    Failed,
    /// Not checked: the mode has no database, or there is none.
    Skipped,
}

/// Level 1: the fields of `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthSummary {
    pub status: HealthStatus,
    /// Everything that does not work as configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded_reasons: Vec<DegradedReason>,
    #[serde(serialize_with = "name")]
    #[schemars(with = "Mode")]
    pub mode: Mode,
    #[serde(serialize_with = "name")]
    #[schemars(with = "Mode")]
    pub effective_mode: Mode,
    pub database_writes: bool,
    pub file_fallback: bool,
    pub database_connection: Connection,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_error: Option<String>,
    pub file_storage: FileStorage,
    pub version: &'static str,
    pub git_sha: String,
    pub environment: &'static str,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub timestamp: pipeline::clock::Timestamp,
}

/// Why the service accepts no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    PersistenceDisabled,
    Draining,
    NoStorage,
    /// The database does not work, and files alone may not accept a run.
    NotAlone(FileRefusal),
}

fn name<S: Serializer>(mode: &Mode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mode.as_str())
}

/// The answers of the stores that the mode uses.
#[derive(Debug, Clone)]
struct Stores {
    state: StorageState,
    /// None if it was not checked.
    database: Option<Result<(), StorageError>>,
    files: Option<Result<(), StorageError>>,
}

impl Stores {
    fn works(answer: Option<&Result<(), StorageError>>) -> bool {
        answer.is_some_and(Result::is_ok)
    }
}

impl Health {
    #[must_use]
    pub fn new(sources: HealthDeps) -> Self {
        Self {
            sources,
            database: Cached::new(KEEP, TIMEOUT),
            files: Cached::new(KEEP, TIMEOUT),
            unsynced: Cached::new(COUNT_KEEP, TIMEOUT),
            forecast: Cached::new(COUNT_KEEP, TIMEOUT),
            open: Cached::new(COUNT_KEEP, TIMEOUT),
            queue: Cached::new(KEEP, TIMEOUT),
            waiting: Cached::new(KEEP, TIMEOUT),
            conflicts: Cached::new(COUNT_KEEP, TIMEOUT),
            replicas: Cached::new(KEEP, TIMEOUT),
            parser: Cached::new(PARSER_KEEP, PARSER_TIMEOUT),
            background: None,
            outside: None,
            alerts: None,
        }
    }

    /// Shows these background tasks too.
    #[must_use]
    pub fn with_background(self, background: Background) -> Self {
        Self { background: Some(background), ..self }
    }

    /// Looks at what is outside of this process too.
    #[must_use]
    pub fn with_outside(self, outside: Outside) -> Self {
        Self { outside: Some(outside), ..self }
    }

    /// Shows these alerts too.
    #[must_use]
    pub fn with_alerts(self, alerts: AlertAdmin) -> Self {
        Self { alerts: Some(alerts), ..self }
    }

    /// The identity of this process.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.sources.identity
    }

    /// The location of files.
    #[must_use]
    pub fn file_storage(&self) -> FileStorage {
        self.sources.file_storage
    }

    /// Level 1.
    pub async fn basic(&self) -> HealthSummary {
        let (stores, figures) = tokio::join!(self.stores(), self.figures());
        let not_ready = self.reason_against(&stores);
        let audience = Audience::without_key(self.sources.identity.environment);
        self.basic_of(&stores, not_ready, &figures, audience)
    }

    /// Whether the service would accept a run.
    ///
    /// # Errors
    ///
    /// [`NotReady`] says why it would not.
    pub async fn readiness(&self) -> Result<(), NotReady> {
        let stores = self.stores().await;
        self.reason_against(&stores).map_or(Ok(()), Err)
    }

    /// The number of runs with a conflict, as the database counts them. None if it is not queried.
    async fn conflicts(&self) -> Option<usize> {
        let queue_stats = self.sources.queue_stats.clone()?;
        if !self.sources.router.writes_database() {
            return None;
        }
        self.conflicts.get(|| async move { queue_stats.conflicts(COUNTED_MAX).await }).await?.ok()
    }

    fn basic_of(
        &self,
        stores: &Stores,
        not_ready: Option<NotReady>,
        figures: &Figures,
        audience: Audience,
    ) -> HealthSummary {
        let state = &stores.state;
        let degraded_reasons = self.degraded_reasons(stores, figures);
        let status = match (not_ready, degraded_reasons.is_empty()) {
            (Some(_), _) => HealthStatus::Unhealthy,
            (None, false) => HealthStatus::Degraded,
            (None, true) => HealthStatus::Healthy,
        };
        let identity = &self.sources.identity;
        let (database_connection, database_error) = match &stores.database {
            Some(Ok(())) => (Connection::Healthy, None),
            Some(Err(error)) => (Connection::Failed, Some(messages::database_error(error, audience))),
            None if state.flags.expects_database() => (Connection::Skipped, state.reason.clone()),
            None => (Connection::Skipped, None),
        };
        HealthSummary {
            status,
            degraded_reasons,
            mode: state.mode,
            effective_mode: state.effective_mode,
            database_writes: state.flags.database_writes,
            file_fallback: state.flags.file_fallback,
            database_connection,
            database_error,
            file_storage: self.sources.file_storage,
            version: identity.version,
            git_sha: identity.git_sha.clone(),
            environment: environment_name(identity.environment),
            timestamp: self.sources.clock.now(),
        }
    }

    fn reason_against(&self, stores: &Stores) -> Option<NotReady> {
        if stores.state.flags.accepts_nothing() {
            Some(NotReady::PersistenceDisabled)
        } else if self.sources.worker.is_stopping() {
            Some(NotReady::Draining)
        } else if Stores::works(stores.database.as_ref()) {
            None
        } else if Stores::works(stores.files.as_ref()) {
            // With other replicas and local disks, files alone accept no run.
            self.sources.router.file_refusal().map(NotReady::NotAlone)
        } else {
            Some(NotReady::NoStorage)
        }
    }

    async fn stores(&self) -> Stores {
        let state = self.sources.router.state();
        let has_database = state.flags.expects_database() && self.sources.router.database().is_some();
        // Without a database, the files replace it, even if the flags do not say so.
        let has_files = state.flags.expects_files() || (state.flags.expects_database() && !has_database);
        let (database, files) = tokio::join!(
            async { if has_database { Some(self.ask_database(&state).await) } else { None } },
            async { if has_files { Some(self.ask_files().await) } else { None } },
        );
        // The query may have opened the breaker.
        Stores { state: self.sources.router.state(), database, files }
    }

    async fn ask_database(&self, state: &StorageState) -> Result<(), StorageError> {
        // An open breaker is probed more often than health is queried.
        let Some(database) = self.sources.router.database() else {
            return Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set"));
        };
        if matches!(state.breaker, Some(BreakerState::Open { .. })) {
            database.breaker.admit()?;
        }
        let answer = match self.probe_database(database).await {
            // A call failed after that answer, so it no longer holds.
            Some((asked_at, Ok(()))) if has_failed_since(database, asked_at) => {
                self.database.forget();
                self.probe_database(database).await
            }
            answer => answer,
        };
        match answer {
            // The breaker knows the reason if the failures go on.
            Some((asked_at, Ok(()))) if has_failed_since(database, asked_at) => Err(StorageError::new(
                StorageErrorKind::Indeterminate,
                "a call of the database has failed; the next check tells whether it is back",
            )),
            Some((_, answer)) => answer,
            None => no_answer(),
        }
    }

    async fn probe_database(&self, database: &Database) -> Option<(Duration, Result<(), StorageError>)> {
        let (store, asked_at) = (database.store.clone(), self.sources.clock.monotonic());
        self.database.get(|| async move { (asked_at, store.probe().await) }).await
    }

    async fn ask_files(&self) -> Result<(), StorageError> {
        let files = self.sources.router.files().clone();
        self.files.get(|| async move { files.probe().await }).await.unwrap_or_else(no_answer)
    }
}

fn has_failed_since(database: &Database, time: Duration) -> bool {
    database.breaker.last_failure().is_some_and(|failed_at| failed_at >= time)
}

fn no_answer<T>() -> Result<T, StorageError> {
    Err(StorageError::new(StorageErrorKind::Indeterminate, format!("no answer within {TIMEOUT:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_without_a_volume_is_ephemeral() {
        let at = |folder: &str, environment, volume: Option<&str>| {
            FileStorage::of(environment, &StoragePlace::Folder(folder.into()), volume.map(Path::new))
        };
        for environment in [Environment::Staging, Environment::Production] {
            assert_eq!(at("/app/data/test-outputs", environment, None), FileStorage::Ephemeral);
            assert_eq!(at("/app/data/test-outputs", environment, Some("/app/data")), FileStorage::Volume);
            assert_eq!(at("/app/data/test-outputs", environment, Some("/elsewhere")), FileStorage::Ephemeral);
            assert_eq!(at("/app/database", environment, Some("/app/data")), FileStorage::Ephemeral);
        }
        assert_eq!(at("data/test-outputs", Environment::Development, None), FileStorage::Local);
        assert_eq!(FileStorage::Ephemeral.durability(), Durability::Ephemeral);
    }
}
