//! Wires the concrete types. No other module names them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pipeline::{
    analyst::{
        Analyst,
        extractive::ExtractiveAnalyst,
        fallback::FallbackAnalyst,
        model::{ModelAnalyst, ModelOptions},
    },
    clock::Clock,
    engine::Engine,
};
use tokio::sync::Notify;

use crate::telemetry::metrics::StorageMetrics;
use crate::{
    brands::BrandFolder,
    clock::SystemClock,
    config::{AnalystChoice, AnalystConfig, Config, DatabaseConfig, Environment, Role},
    documents::{
        fetch::{Deadlines, Fetcher, FetcherError},
        isolate::Isolation,
    },
    flags::{Defaults, FlagSource},
    health::{FileStorage, Health, HealthDeps, Identity, ModelBreaker},
    http::{HttpState, Limits, Streams},
    llm::{
        OpenRouter, OpenRouterConfig, OpenRouterError, connections::ConnectionsConfig, deadline::WithDeadline,
    },
    replicas::ReplicaHeartbeat,
    retention::Retention,
    runs::{RunWatchers, Runs, admission::Admission},
    webhooks::{Sender, SenderError, WebhookDispatcher, admin::WebhookAdmin},
    worker::{Worker, WorkerConfig, WorkerDeps},
};
use storage::postgres::address::Malformed;
use storage::{
    ChangeNotifier, Lease, Outbox, ReplicaRegistry, SyncTarget,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    files::FileStore,
    mode::Flags,
    postgres::{Listener, PostgresStore},
    router::{Database, ReadLimiter, ReplicaPresence, Router, RouterConfig},
    sync::Reconciler,
};

/// The wired parts that a run needs.
#[derive(Debug, Clone)]
pub struct App {
    pub brands: BrandFolder,
    pub fetcher: Fetcher,
    pub router: Arc<Router>,
    pub engine: Engine,
    pub clock: Arc<dyn Clock>,
    /// The analyst's name, for people.
    pub analyst_name: String,
}

/// Why the parts cannot be wired.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    #[error(
        "the model analyst needs OPENROUTER_API_KEY; set it, or use --analyst extractive, which needs no key"
    )]
    NoKey,
    #[error(transparent)]
    Fetcher(#[from] FetcherError),
    #[error(transparent)]
    Client(#[from] OpenRouterError),
    #[error(transparent)]
    Webhooks(#[from] SenderError),
    #[error("DATABASE_URL: {0}")]
    Database(#[from] Malformed),
    #[error("STORAGE_URL: {0}")]
    Storage(#[from] std::io::Error),
}

/// Options of a command that override the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub output_dir: Option<PathBuf>,
    pub analyst: Option<AnalystChoice>,
}

impl App {
    /// Wires the parts by the configuration.
    ///
    /// # Errors
    ///
    /// [`WiringError`] names the setting that is unusable.
    pub fn new(config: Config, overrides: Overrides) -> Result<Self, WiringError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let files = match overrides.output_dir {
            Some(root) => FileStore::new(root, clock.clone()),
            None => FileStore::of(&config.storage, config.work.lease, clock.clone())?,
        };
        let choice = overrides.analyst.unwrap_or(config.analyst.choice);
        let cost_limit_usd = config.analyst.cost_per_run_usd_max;
        let extra_ca_file = config.documents.extra_ca_file.clone();
        let Answering { analyst, name: analyst_name, .. } =
            answering(choice, config.analyst, extra_ca_file, config.work.stage_deadline, &clock)?;
        Ok(Self {
            brands: BrandFolder::new(&config.process.base_dir),
            fetcher: Fetcher::new(config.documents, Deadlines::default())?,
            engine: Engine { analyst, clock: clock.clone(), cost_limit_usd },
            router: Arc::new(Router::files_only(files, clock.clone())),
            clock,
            analyst_name,
        })
    }
}

/// A wired service that is not started yet.
#[derive(Debug, Clone)]
pub struct Service {
    pub worker: Worker,
    pub router: Arc<Router>,
    /// None without a database.
    pub postgres: Option<Arc<PostgresStore>>,
    /// None without a database.
    pub reconciler: Option<Arc<Reconciler>>,
    /// None if files are kept for ever.
    pub retention: Option<Retention>,
    /// None without a database.
    pub heartbeat: Option<ReplicaHeartbeat>,
    /// Receives notifications about runs. None if there is no source of them.
    pub listener: Option<Listener>,
    /// None if webhooks are off.
    pub dispatcher: Option<Arc<WebhookDispatcher>>,
    pub flags: FlagSource,
    pub http: HttpState,
    pub identity: Identity,
    pub analyst_name: String,
}

impl Service {
    /// Wires the parts by the configuration. Waits for nothing, because a service must start without its
    /// database.
    ///
    /// # Errors
    ///
    /// [`WiringError`] names the setting that is unusable.
    pub fn new(config: Config) -> Result<Self, WiringError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let modes = &config.modes;
        let flags = FlagSource::new(
            Defaults { database_writes: modes.database_writes, file_fallback: modes.file_fallback },
            modes.flags_file.clone(),
        );
        // Without a receiver, no webhook is queued.
        let telling = config.webhooks.target.as_ref().map(|_| Arc::new(Notify::new()));
        let postgres = PostgresStore::new(&config.database)?;
        let postgres = postgres.map(|store| Arc::new(store.with_webhooks(telling.clone())));
        let database = postgres.clone().map(|store| database(store, &config.database, &clock));
        let registry = postgres.clone().map(|store| store as Arc<dyn ReplicaRegistry>);
        let files =
            FileStore::of(&config.storage, config.work.lease, clock.clone())?.with_webhooks(telling.clone());
        let presence = Arc::new(ReplicaPresence::new(match config.work.role {
            // A web process never counts as alone: other processes execute its runs, and they do not see its
            // files.
            Role::Web => Some(false),
            // Outside production, only a developer starts a second process, and knows about it.
            Role::All | Role::Worker => config
                .work
                .single_replica
                .or((config.process.environment != Environment::Production).then_some(true)),
        }));
        let router = Router::new(
            files,
            database,
            flags.subscribe(),
            RouterConfig { presence: presence.clone(), retry_deadline: config.database.retry_deadline },
            clock.clone(),
        );
        let router = Arc::new(router.observed_by(Arc::new(StorageMetrics)));
        // New at every start. An earlier process of the same container had another id.
        let replica = uuid::Uuid::now_v7().to_string();
        let cost_limit_usd = config.analyst.cost_per_run_usd_max;
        let extra_ca_file = config.documents.extra_ca_file.clone();
        let Answering { analyst, name: analyst_name, breaker } = answering(
            config.analyst.choice,
            config.analyst,
            extra_ca_file,
            config.work.stage_deadline,
            &clock,
        )?;
        let identity = Identity {
            version: env!("CARGO_PKG_VERSION"),
            git_sha: Identity::commit(config.process.git_sha.as_deref()),
            environment: config.process.environment,
            replica: config.process.replica.clone().unwrap_or_else(|| replica.clone()),
        };
        let brands = BrandFolder::new(&config.process.base_dir);
        let dispatcher = match (config.webhooks.target, telling) {
            (Some(target), Some(woken)) => {
                let timeout = config.webhooks.timeout;
                Some(Arc::new(WebhookDispatcher {
                    router: router.clone(),
                    database: postgres.clone().map(|store| store as Arc<dyn Outbox>),
                    sender: Sender::new(target, timeout, config.documents.extra_ca_file.as_deref())?,
                    timeout,
                    clock: clock.clone(),
                    woken,
                }))
            }
            _ => None,
        };
        let fetcher = Fetcher::new(config.documents, Deadlines::default())?;
        let deps = WorkerDeps {
            engine: Engine { analyst, clock: clock.clone(), cost_limit_usd },
            fetcher: fetcher.clone(),
            brands: brands.clone(),
            clock: clock.clone(),
        };
        let worker = Worker::new(
            router.clone(),
            deps,
            WorkerConfig {
                lease: Lease { owner: replica, duration: config.work.lease },
                run_deadline: config.work.run_deadline,
                stall_after: config.work.stage_deadline,
                // A web process executes no runs.
                concurrent_runs_max: match config.work.role {
                    Role::Web => 0,
                    Role::All | Role::Worker => config.work.concurrent_runs_max,
                },
            },
        );
        let reconciler = postgres.clone().map(|target| {
            Arc::new(Reconciler::new(
                router.clone(),
                target,
                Some(Arc::new(worker.clone())),
                config.storage.retention,
                clock.clone(),
            ))
        });
        let retention = config.storage.retention.map(|keep| Retention {
            router: router.clone(),
            database: reconciler
                .clone()
                .zip(postgres.clone())
                .map(|(reconciler, target)| (reconciler, target as Arc<dyn SyncTarget>)),
            clock: clock.clone(),
            keep,
        });
        let heartbeat = registry.clone().map(|registry| ReplicaHeartbeat {
            registry,
            router: router.clone(),
            worker: worker.clone(),
            presence,
            identity: identity.clone(),
            role: config.work.role,
        });
        let listener = Listener::new(&config.database)?;
        let queue = Admission::new(
            router.clone(),
            worker.clone(),
            registry.clone(),
            clock.clone(),
            config.work.queued_runs_max,
        );
        let runs = Arc::new(Runs::new(
            router.clone(),
            worker.clone(),
            queue,
            fetcher,
            brands.clone(),
            clock.clone(),
        ));
        let notifier = postgres.clone().map(|store| store as Arc<dyn ChangeNotifier>);
        let watchers = Arc::new(RunWatchers::new(runs.clone(), router.clone(), notifier));
        let health = Arc::new(Health::new(HealthDeps {
            identity: identity.clone(),
            router: router.clone(),
            worker: worker.clone(),
            clock,
            file_storage: FileStorage::of(
                config.process.environment,
                &config.storage.place,
                config.process.volume.as_deref(),
            ),
            flags: Some(flags.clone()),
            reconciler: reconciler.clone(),
            registry,
            model: breaker,
            parser: Isolation::default(),
        }));
        let http = HttpState {
            runs,
            watchers,
            streams: Streams::new(config.access.event_streams_per_client_max),
            health,
            brands,
            access: Arc::new(config.access),
            serves_runs: config.work.role != Role::Worker,
            limits: Limits::default(),
        };
        Ok(Self {
            worker,
            router,
            postgres,
            reconciler,
            retention,
            heartbeat,
            listener,
            dispatcher,
            flags,
            http,
            identity,
            analyst_name,
        })
    }
}

/// Wires the parts for a command that syncs both stores, whatever flags a service uses. None without a
/// database. With `read_only`, the command compares only, and leaves damaged files in place.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn reconciler(config: &Config, read_only: bool) -> Result<Option<Reconciler>, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    // The running service finds queued webhooks when it polls.
    let telling = config.webhooks.target.as_ref().map(|_| Arc::new(Notify::new()));
    let Some(postgres) = PostgresStore::new(&config.database)? else { return Ok(None) };
    let postgres = Arc::new(postgres.with_webhooks(telling));
    let files = FileStore::of(&config.storage, config.work.lease, clock.clone())?;
    let files = if read_only { files.into_read_only() } else { files };
    let flags = Flags { database_writes: true, file_fallback: true, revision: 0 };
    let router = Arc::new(Router::new(
        files,
        Some(database(postgres.clone(), &config.database, &clock)),
        tokio::sync::watch::channel(flags).1,
        RouterConfig { presence: Arc::new(ReplicaPresence::new(None)), retry_deadline: Duration::ZERO },
        clock.clone(),
    ));
    Ok(Some(Reconciler::new(router, postgres, None, config.storage.retention, clock)))
}

/// Wires the parts for the commands on webhooks.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn webhook_admin(config: &Config) -> Result<WebhookAdmin, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let files = FileStore::of(&config.storage, config.work.lease, clock)?;
    let postgres = PostgresStore::new(&config.database)?.filter(|_| config.modes.database_writes);
    let database = postgres.map(|store| Arc::new(store) as Arc<dyn Outbox>);
    Ok(WebhookAdmin { files, database })
}

/// Opens a file store at another address: `file:///path`, or another bucket or prefix with the configured
/// keys. None for any other address.
///
/// # Errors
///
/// [`WiringError`] if the store's HTTP client cannot be created.
pub fn files_at(url: &str, config: &Config) -> Result<Option<FileStore>, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    match config.storage.elsewhere(url) {
        Some(place) => Ok(Some(FileStore::of(&place, config.work.lease, clock)?)),
        None => Ok(None),
    }
}

fn database(store: Arc<PostgresStore>, config: &DatabaseConfig, clock: &Arc<dyn Clock>) -> Database {
    let breaker = Arc::new(Breaker::new(BreakerConfig::default(), clock.clone()));
    // If the database answers no call within a statement's time limit, it is down. The running writes notice
    // that a little later, and need not be awaited.
    let bulkhead = Arc::new(Bulkhead::new(config.database_calls_max(), config.statement_timeout));
    let read_limiter = Arc::new(ReadLimiter::new(config.readers_max(), config.acquire_timeout));
    Database { store, breaker, bulkhead, read_limiter }
}

/// The wired analyst.
struct Answering {
    analyst: Arc<dyn Analyst>,
    /// For people.
    name: String,
    breaker: Option<Arc<dyn ModelBreaker>>,
}

fn answering(
    choice: AnalystChoice,
    config: AnalystConfig,
    extra_ca_file: Option<PathBuf>,
    stage_deadline: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<Answering, WiringError> {
    let extractive = || Arc::new(ExtractiveAnalyst::new());
    let key = match (choice, config.api_key) {
        (AnalystChoice::Extractive, _) | (AnalystChoice::Auto, None) => {
            let name = "built-in extractive analyst".to_owned();
            return Ok(Answering { analyst: extractive(), name, breaker: None });
        }
        (AnalystChoice::Model, None) => return Err(WiringError::NoKey),
        (AnalystChoice::Auto | AnalystChoice::Model, Some(key)) => key,
    };
    let name = format!("model {}", config.model);
    let settings = OpenRouterConfig {
        base_url: config.base_url,
        fallback_models: config.fallback_models,
        structured_output: config.structured_output,
        routing: config.routing,
        total_timeout: config.timeout,
        title: Some("innovation-pipeline".to_owned()),
        connections: ConnectionsConfig { extra_ca_file, ..ConnectionsConfig::default() },
        jitter_seed: uuid::Uuid::new_v4().as_u64_pair().0,
        ..OpenRouterConfig::new(key, config.model)
    };
    let client = Arc::new(OpenRouter::new(settings, clock.clone())?);
    let model = Arc::new(ModelAnalyst::new(client.clone(), ModelOptions::default()));
    let model: Arc<dyn Analyst> = Arc::new(WithDeadline::new(model, stage_deadline));
    let analyst =
        if config.offline_fallback { Arc::new(FallbackAnalyst::new(model, extractive())) } else { model };
    Ok(Answering { analyst, name, breaker: Some(client) })
}
