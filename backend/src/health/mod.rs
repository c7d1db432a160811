//! How the process and what it depends on are: one model, which the HTTP routes show.
//!
//! # Invariants
//!
//! * No question to a dependency holds a caller for more than [`TIMEOUT`], whatever the dependency does.
//! * A dependency's failure is an answer, never an error.
//! * In `FILE_ONLY` mode the database is not asked anything.

pub mod cached;
pub mod details;
mod messages;

use std::{path::Path, sync::Arc, time::Duration};

use pipeline::{clock::Clock, record::millis};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use self::cached::Cached;
use crate::{
    config::{Environment, StoragePlace},
    documents::isolate::Isolation,
    flags::FlagSource,
    reconcile::Reconciler,
    worker::Worker,
};
use storage::{
    Replica, ReplicaRegistry, StorageError, StorageErrorKind, Store as _,
    breaker::BreakerState,
    files::Unsynced,
    mode::Mode,
    router::{Router, StorageState},
};

/// How long an answer about a store is good for.
const KEEP: Duration = Duration::from_secs(5);

/// How long anybody waits for one.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// How long the document parser's self-test is good for: it starts a process.
const PARSER_KEEP: Duration = Duration::from_secs(60);

/// How long the self-test is waited for: its turn may come after two documents.
const PARSER_TIMEOUT: Duration = Duration::from_secs(5);

/// Counting looks into every run's folder.
const COUNT_KEEP: Duration = Duration::from_secs(10);

/// Counting costs as much as there is to count; beyond this nobody needs the figure.
const COUNTED_MAX: usize = 100_000;

/// What is running, and where.
#[derive(Debug, Clone)]
pub struct Identity {
    pub version: &'static str,
    /// The commit that was built; `unknown` where nobody said.
    pub git_sha: String,
    pub environment: Environment,
    /// This process's name among its replicas.
    pub replica: String,
}

impl Identity {
    /// The commit: as the platform says at run time, else as the build was told (`GIT_SHA`).
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

/// Whether what is stored outlives the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    Durable,
    /// Gone at the next deploy.
    Ephemeral,
}

/// Where files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileStorage {
    /// A developer's own disk.
    Local,
    /// A disk that the platform mounts into each of its containers.
    Volume,
    /// Shared by all replicas.
    Bucket,
    /// A container's own disk, gone at the next deploy.
    Ephemeral,
}

impl FileStorage {
    /// A deployment's disk is ephemeral unless the folder is on a mounted volume (Railway says where by
    /// `RAILWAY_VOLUME_MOUNT_PATH`); a developer's own is not.
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

    /// Whether what is there outlives the container.
    #[must_use]
    pub fn durability(self) -> Durability {
        if self == Self::Ephemeral { Durability::Ephemeral } else { Durability::Durable }
    }
}

/// The state of the breaker in front of the model.
pub trait ModelBreaker: Send + Sync + std::fmt::Debug {
    /// `closed`, `open` or `probing`.
    fn state(&self) -> &'static str;
}

impl ModelBreaker for crate::llm::OpenRouter {
    fn state(&self) -> &'static str {
        self.breaker_state()
    }
}

/// What health is computed from.
#[derive(Debug, Clone)]
pub struct HealthDeps {
    pub identity: Identity,
    pub router: Arc<Router>,
    pub worker: Worker,
    pub clock: Arc<dyn Clock>,
    pub file_storage: FileStorage,
    /// None where the flags are fixed.
    pub flags: Option<FlagSource>,
    /// None without a database.
    pub reconciler: Option<Arc<Reconciler>>,
    /// None without a database.
    pub registry: Option<Arc<dyn ReplicaRegistry>>,
    /// None with the extractive analyst.
    pub model: Option<Arc<dyn ModelBreaker>>,
    pub parser: Isolation,
}

/// Answers questions about health.
#[derive(Debug)]
pub struct Health {
    sources: HealthDeps,
    database: Cached<Result<(), StorageError>>,
    files: Cached<Result<(), StorageError>>,
    unsynced: Cached<Result<Unsynced, StorageError>>,
    open: Cached<Result<usize, StorageError>>,
    queue: Cached<Result<usize, StorageError>>,
    conflicts: Cached<Result<usize, StorageError>>,
    replicas: Cached<Result<Vec<Replica>, StorageError>>,
    /// The failure's code.
    parser: Cached<Result<(), &'static str>>,
}

/// The verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    Healthy,
    /// It serves, but not as configured.
    Degraded,
    /// It cannot accept a run.
    Unhealthy,
}

/// How the database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    Healthy,
    Failed,
    /// Nobody asked: the mode has no database, or there is none.
    Skipped,
}

/// Level 1: the fields of `GET /health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthSummary {
    pub status: HealthStatus,
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

/// Why no run is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    PersistenceDisabled,
    Draining,
    NoStorage,
}

fn name<S: Serializer>(mode: &Mode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(mode.as_str())
}

/// What the stores say of themselves, each where the mode has it.
#[derive(Debug, Clone)]
struct Stores {
    state: StorageState,
    /// None where it is not asked.
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
            open: Cached::new(COUNT_KEEP, TIMEOUT),
            queue: Cached::new(KEEP, TIMEOUT),
            conflicts: Cached::new(COUNT_KEEP, TIMEOUT),
            replicas: Cached::new(KEEP, TIMEOUT),
            parser: Cached::new(PARSER_KEEP, PARSER_TIMEOUT),
        }
    }

    /// What is running.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.sources.identity
    }

    /// Where files go.
    #[must_use]
    pub fn file_storage(&self) -> FileStorage {
        self.sources.file_storage
    }

    /// Level 1.
    pub async fn basic(&self) -> HealthSummary {
        let (stores, conflicts) = tokio::join!(self.stores(), self.conflicts());
        let not_ready = self.reason_against(&stores);
        self.basic_of(&stores, not_ready, conflicts)
    }

    /// Whether a run would be accepted, and if not, why.
    pub async fn readiness(&self) -> Result<(), NotReady> {
        let stores = self.stores().await;
        self.reason_against(&stores).map_or(Ok(()), Err)
    }

    /// Runs of which row and files hold different records now, as the database counts them; none while it is not asked.
    async fn conflicts(&self) -> Option<usize> {
        let registry = self.sources.registry.clone()?;
        if !self.sources.router.state().effective_mode.has_database() {
            return None;
        }
        self.conflicts.get(|| async move { registry.conflicts(COUNTED_MAX).await }).await?.ok()
    }

    fn basic_of(
        &self,
        stores: &Stores,
        not_ready: Option<NotReady>,
        conflicts: Option<usize>,
    ) -> HealthSummary {
        let state = &stores.state;
        let is_degraded = state.effective_mode != state.mode
            || state.file_alarm.is_some()
            || conflicts.is_some_and(|conflicts| conflicts > 0)
            || self.sources.flags.as_ref().is_some_and(|flags| flags.alarm().is_some())
            || [&stores.database, &stores.files].into_iter().flatten().any(Result::is_err);
        let status = match (not_ready, is_degraded) {
            (Some(_), _) => HealthStatus::Unhealthy,
            (None, true) => HealthStatus::Degraded,
            (None, false) => HealthStatus::Healthy,
        };
        let identity = &self.sources.identity;
        let (database_connection, database_error) = match &stores.database {
            Some(Ok(())) => (Connection::Healthy, None),
            Some(Err(error)) => {
                (Connection::Failed, Some(messages::database_error(error, identity.environment)))
            }
            None if state.mode.has_database() => (Connection::Skipped, state.reason.clone()),
            None => (Connection::Skipped, None),
        };
        HealthSummary {
            status,
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
        if stores.state.mode == Mode::Invalid {
            Some(NotReady::PersistenceDisabled)
        } else if self.sources.worker.is_stopping() {
            Some(NotReady::Draining)
        } else if Stores::works(stores.database.as_ref())
            // With company, files alone accept nothing.
            || (Stores::works(stores.files.as_ref()) && self.sources.router.may_accept_by_file())
        {
            None
        } else {
            Some(NotReady::NoStorage)
        }
    }

    async fn stores(&self) -> Stores {
        let state = self.sources.router.state();
        let has_database = state.mode.has_database() && self.sources.router.database().is_some();
        // Without a database the files stand in for it, also where the flags do not say so.
        let has_files = state.mode.has_files() || (state.mode.has_database() && !has_database);
        let (database, files) = tokio::join!(
            async { if has_database { Some(self.ask_database(&state).await) } else { None } },
            async { if has_files { Some(self.ask_files().await) } else { None } },
        );
        // The breaker may have opened over the question.
        Stores { state: self.sources.router.state(), database, files }
    }

    async fn ask_database(&self, state: &StorageState) -> Result<(), StorageError> {
        // An open breaker is probed already, and more often than health is asked.
        if let Some(BreakerState::Open { is_schema, reason, .. }) = &state.breaker {
            let kind = if *is_schema { StorageErrorKind::Schema } else { StorageErrorKind::Unavailable };
            return Err(StorageError::new(kind, reason.clone()));
        }
        let Some(database) = self.sources.router.database() else {
            return Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set"));
        };
        let store = database.store.clone();
        let answer = self.database.get(|| async move { store.probe().await }).await;
        answer.unwrap_or_else(no_answer)
    }

    async fn ask_files(&self) -> Result<(), StorageError> {
        let files = self.sources.router.files().clone();
        self.files.get(|| async move { files.probe().await }).await.unwrap_or_else(no_answer)
    }
}

fn no_answer<T>() -> Result<T, StorageError> {
    Err(StorageError::new(StorageErrorKind::Indeterminate, format!("no answer within {TIMEOUT:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployments_disk_is_ephemeral_unless_the_folder_is_on_a_volume() {
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
