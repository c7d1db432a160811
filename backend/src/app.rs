//! Wires the concrete types. No other module names them.
//!
//! * `deployments`: what records and judges deployments.
//! * `storage`: both stores and the router. `work`: the worker and what runs beside it. `http`: the API.
//! * `analyst`: the model or the extractive analyst. `commands`: the parts that commands use. `rehearsal`: those of a
//!   rehearsal. `checks`: what checks look at.

mod access;
mod alerts;
mod analyst;
mod checks;
mod commands;
mod deployments;
mod error;
mod flags;
mod http;
mod rehearsal;
mod storage;
mod telemetry;
mod work;

use std::{path::PathBuf, sync::Arc, time::Duration};

use ::storage::{
    control_plane::BulkLease,
    files::FileStore,
    postgres::{Listener, PostgresStore},
    router::{ReplicaPresence, Router},
    sync::Reconciler,
};
use pipeline::{clock::Clock, engine::Engine};

pub use self::{
    alerts::AlertTasks,
    checks::check_deps,
    commands::{
        alert_admin, answer_admin, audit, bulk_admin, command_router, files_at, forget, key_admin,
        reconciler, status_sources, webhook_admin, webhook_dispatcher,
    },
    deployments::{DeploymentParts, deployment_admin},
    error::WiringError,
    flags::flag_control,
    rehearsal::{evidence_log, rehearsal},
};
use self::{
    analyst::{Answering, answering},
    deployments::wire_arbiter,
    flags::wire_flags,
    http::{Controls, wire_http},
    storage::{Stores, wire_storage},
    telemetry::start_traces,
    work::{Work, wire_work},
};
use crate::{
    access::KeyReader,
    alerts::deployment::DeploymentWatch,
    answer_cache::AnswerAdmin,
    background::Background,
    brands::BrandFolder,
    config::{AnalystChoice, AnalystConfig, Config, OcrConfig},
    documents::{
        fetch::{Deadlines, Fetcher},
        isolate::Isolation,
        ocr::Ocr,
        readers::Readers,
    },
    flags::{FlagControl, FlagSource, FlagSync},
    health::{Identity, baseline::BaselineKeeper},
    http::HttpState,
    llm::gate::Gate,
    objectives::Objectives,
    replicas::{DiskReplicas, ReplicaHeartbeat},
    retention::Retention,
    runs::bulk::BulkExecutor,
    webhooks::WebhookDispatcher,
    worker::Worker,
};
use foundation::clock::SystemClock;

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
    /// None with the extractive analyst.
    pub gate: Option<Arc<Gate>>,
    /// Reads documents, and their scanned pages.
    pub ocr: Ocr,
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
        // A person waits beside the command, so it waits for the model within its call, and queues nothing.
        let analyst = AnalystConfig { model_wait_max: config.analyst.timeout, ..config.analyst };
        let choice = overrides.analyst.unwrap_or(analyst.choice);
        let cost_limit_usd = analyst.cost_per_run_usd_max;
        let extra_ca_file = config.documents.extra_ca_file.clone();
        let Answering { analyst, name: analyst_name, gate } =
            answering(choice, analyst, extra_ca_file, config.work.stage_deadline, &clock)?;
        Ok(Self {
            brands: BrandFolder::new(&config.process.base_dir),
            fetcher: Fetcher::new(config.documents, Deadlines::default())?,
            engine: Engine::new(analyst, clock.clone(), cost_limit_usd),
            router: Arc::new(Router::files_only(files, clock.clone())),
            ocr: ocr(config.ocr),
            clock,
            analyst_name,
            gate,
        })
    }
}

/// The reader of one document, for a command.
#[must_use]
pub fn ocr(config: OcrConfig) -> Ocr {
    Ocr::new(config, Isolation::default(), Arc::new(SystemClock::default()))
}

/// A wired service that is not started yet.
#[derive(Debug, Clone)]
pub struct Service {
    pub clock: Arc<dyn Clock>,
    /// No task is started yet.
    pub background: Background,
    pub worker: Worker,
    pub readers: Readers,
    pub router: Arc<Router>,
    /// None without a database.
    pub postgres: Option<Arc<PostgresStore>>,
    /// None without a database.
    pub reconciler: Option<Arc<Reconciler>>,
    /// None if files are kept for ever.
    pub retention: Option<Retention>,
    /// Told of the signal to stop.
    pub presence: Arc<ReplicaPresence>,
    /// None with a bucket.
    pub disk: Option<DiskReplicas>,
    /// None without a database.
    pub heartbeat: Option<ReplicaHeartbeat>,
    /// Receives notifications about runs. None if there is no source of them.
    pub listener: Option<Listener>,
    /// None if webhooks are off.
    pub dispatcher: Option<Arc<WebhookDispatcher>>,
    /// None without a database.
    pub baseline: Option<Arc<BaselineKeeper>>,
    pub alerts: AlertTasks,
    /// The watch over deployments says here what it found.
    pub deployment_watch: DeploymentWatch,
    pub objectives: Arc<Objectives>,
    pub answers: AnswerAdmin,
    /// Works on bulk operations. None without a database.
    pub bulk: Option<Arc<BulkExecutor>>,
    pub flags: FlagSource,
    /// None without a database.
    pub keys: Option<KeyReader>,
    pub flag_control: FlagControl,
    /// None without a database.
    pub flag_sync: Option<Arc<FlagSync>>,
    /// Records and judges deployments.
    pub deployments: DeploymentParts,
    pub http: HttpState,
    pub identity: Identity,
    pub analyst_name: String,
    /// How often the log gets the figures. None: never.
    pub figures_period: Option<Duration>,
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
        let background = Background::new(clock.clone());
        let stores = wire_storage(&config, &clock)?;
        let listener = Listener::new(&config.database)?;
        let work = wire_work(&config, &stores, &clock)?;
        start_traces(&config, &stores, &work.identity)?;
        let own_key = deployments::own_key(&config);
        let (ring, keys) = access::wire_keys(&config, &stores, work.spend.clone(), own_key.as_ref(), &clock);
        let (flag_control, flag_sync) = wire_flags(&config, &stores, &work.identity.replica, &clock);
        let admin = deployments::wire_admin(&config, &stores, &clock);
        let settings = config.clone();
        let key = own_key.as_ref().map(|key| &key.text);
        let answers = stores.answer_admin(&config);
        let figures_period = config.telemetry.figures_period;
        let lease = config.work.lease;
        let alerts = alerts::wire_admin(&config, &stores, Some(work.objectives.clone()), &clock)?;
        let surroundings = alerts::Surroundings::of(&config, &work);
        let deployment_watch = DeploymentWatch::default();
        let controls = Controls {
            flags: flag_control.clone(),
            keys: ring,
            alerts: alerts.clone(),
            deployments: admin.clone(),
        };
        let http = wire_http(config, &stores, &work, controls, &clock, background.clone());
        let alerts = alerts::wire_tasks(
            &alerts,
            &http.health,
            &work.objectives,
            deployment_watch.clone(),
            surroundings,
        )?;
        let (flags_of_arbiter, health) = (flag_control.clone(), http.health.clone());
        let deployments =
            wire_arbiter(&settings, &admin, &work, flags_of_arbiter, health, key, deployment_watch.clone());
        let bulk = bulk_executor(&http, &work.identity.replica, lease);
        let Stores { router, postgres, flags, presence, .. } = stores;
        let Work {
            worker,
            readers,
            reconciler,
            retention,
            disk,
            heartbeat,
            dispatcher,
            baseline,
            objectives,
            identity,
            ..
        } = work;
        let analyst_name = work.analyst_name;
        Ok(Self {
            clock,
            background,
            worker,
            readers,
            router,
            postgres,
            reconciler,
            retention,
            presence,
            disk,
            heartbeat,
            listener,
            dispatcher,
            baseline,
            alerts,
            deployment_watch,
            objectives,
            answers,
            bulk,
            flags,
            keys,
            flag_control,
            flag_sync,
            deployments,
            http,
            identity,
            analyst_name,
            figures_period,
        })
    }
}

/// None without a database, in which the operations lie.
fn bulk_executor(http: &HttpState, replica: &str, lease: Duration) -> Option<Arc<BulkExecutor>> {
    let admin = http.operations.clone();
    admin.store.as_ref()?;
    let owner = uuid::Uuid::now_v7().to_string();
    let lease = BulkLease { owner, replica: replica.to_owned(), duration: lease };
    Some(Arc::new(BulkExecutor { admin, runs: http.runs.clone(), lease }))
}
