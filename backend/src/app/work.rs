//! The worker, and what runs beside it.

use std::sync::Arc;

use foundation::one_at_a_time::OneAtATime;
use pipeline::{clock::Clock, engine::Engine};
use storage::{Lease, Outbox, SyncTarget, files::ReplicaLocks, sync::Reconciler};

use super::{
    analyst::{Answering, answering, extractive},
    error::WiringError,
    storage::Stores,
};
use crate::{
    access::SpendMeter,
    answer_cache::{AnswerCacheDeps, AnswerCacheService, AnswerCacheSettings},
    brands::BrandFolder,
    config::{Config, Role},
    documents::{
        fetch::{Deadlines, Fetcher},
        isolate::Isolation,
        ocr::Ocr,
        readers::Readers,
    },
    health::{FileStorage, Identity, baseline::BaselineKeeper},
    llm::{gate::Gate, probe::EndpointProbe},
    objectives::Objectives,
    replicas::{DiskReplicas, ReplicaHeartbeat},
    retention::Retention,
    webhooks::{Sender, WebhookDispatcher},
    worker::{Downloads, Worker, WorkerConfig, WorkerDeps},
};

/// The worker, its dependencies, and the tasks beside it.
pub(super) struct Work {
    pub(super) worker: Worker,
    pub(super) fetcher: Fetcher,
    pub(super) readers: Readers,
    pub(super) brands: BrandFolder,
    pub(super) identity: Identity,
    pub(super) spend: Arc<SpendMeter>,
    pub(super) analyst_name: String,
    /// None with the extractive analyst.
    pub(super) gate: Option<Arc<Gate>>,
    /// None without a database.
    pub(super) reconciler: Option<Arc<Reconciler>>,
    /// None if files are kept for ever.
    pub(super) retention: Option<Retention>,
    /// None with a bucket.
    pub(super) disk: Option<DiskReplicas>,
    /// None without a database.
    pub(super) heartbeat: Option<ReplicaHeartbeat>,
    /// None if webhooks are off.
    pub(super) dispatcher: Option<Arc<WebhookDispatcher>>,
    /// None without a database.
    pub(super) baseline: Option<Arc<BaselineKeeper>>,
    pub(super) objectives: Arc<Objectives>,
    /// None with the extractive analyst.
    pub(super) model_probe: Option<EndpointProbe>,
}

pub(super) fn wire_work(
    config: &Config,
    stores: &Stores,
    clock: &Arc<dyn Clock>,
) -> Result<Work, WiringError> {
    // New at every start. An earlier process of the same container had another id.
    let owner = uuid::Uuid::now_v7().to_string();
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION"),
        git_sha: Identity::commit(config.process.git_sha.as_deref()),
        environment: config.process.environment,
        replica: config.process.replica.clone().unwrap_or_else(|| owner.clone()),
    };
    let Answering { analyst, name: analyst_name, gate } = answering(
        config.analyst.choice,
        config.analyst.clone(),
        config.documents.extra_ca_file.clone(),
        config.work.stage_deadline,
        clock,
    )?;
    let fetcher = Fetcher::new(config.documents.clone(), Deadlines::default())?;
    let ocr = Ocr::new(config.ocr.clone(), Isolation::default(), clock.clone());
    let readers = Readers::with_ocr(Isolation::default(), ocr, clock.clone());
    let brands = BrandFolder::new(&config.process.base_dir);
    let cost_limit_usd = config.analyst.cost_per_run_usd_max;
    let spend = SpendMeter::new(clock.clone());
    let engine = Engine::new(analyst, clock.clone(), cost_limit_usd);
    let deps = WorkerDeps {
        sample_engine: Engine { analyst: extractive(), ..engine.clone() },
        engine,
        fetcher: fetcher.clone(),
        downloads: Downloads::default(),
        readers: readers.clone(),
        brands: brands.clone(),
        clock: clock.clone(),
        gate: gate.clone(),
        spend: spend.clone(),
        answers: answer_cache(config, stores, clock),
        flags: stores.flags.clone(),
    };
    let worker = Worker::new(stores.router.clone(), deps, worker_config(config, owner));
    let reconciler = reconciler(config, stores, &worker, clock);
    let extra_ca_file = config.documents.extra_ca_file.as_deref();
    let model_probe = match &gate {
        Some(_) => Some(EndpointProbe::new(&config.analyst.base_url, extra_ca_file)?),
        None => None,
    };
    let disk = disk_replicas(config, stores, &identity, clock);
    let objectives = Objectives::new(clock.clone(), config.alerts.targets).with_replicas(
        stores.service_levels(),
        stores.router.clone(),
        worker.lease().owner.clone(),
    );
    Ok(Work {
        objectives: Arc::new(objectives),
        baseline: baseline(config, stores, &identity, clock),
        model_probe,
        retention: retention(config, stores, reconciler.as_ref(), clock),
        heartbeat: heartbeat(config, stores, &worker, &identity, disk.clone()),
        disk,
        spend,
        dispatcher: dispatcher(config, stores, clock)?,
        worker,
        fetcher,
        readers,
        brands,
        identity,
        analyst_name,
        gate,
        reconciler,
    })
}

fn baseline(
    config: &Config,
    stores: &Stores,
    identity: &Identity,
    clock: &Arc<dyn Clock>,
) -> Option<Arc<BaselineKeeper>> {
    // Without a platform's id, a commit is a deployment.
    let deployment = config.process.deployment.clone().unwrap_or_else(|| identity.git_sha.clone());
    Some(Arc::new(BaselineKeeper::new(
        stores.postgres.clone()?,
        config.database.pool_max,
        deployment,
        identity.replica.clone(),
        clock.clone(),
    )))
}

fn answer_cache(config: &Config, stores: &Stores, clock: &Arc<dyn Clock>) -> AnswerCacheService {
    let settings = AnswerCacheSettings {
        is_on: config.answers.is_on,
        keep: config.answers.keep,
        lease: config.work.lease,
        wait_max: config.work.stage_deadline,
    };
    let deps = AnswerCacheDeps {
        store: stores.answer_store(),
        router: stores.router.clone(),
        flags: stores.flags.clone(),
        clock: clock.clone(),
    };
    AnswerCacheService::new(settings, deps)
}

fn worker_config(config: &Config, owner: String) -> WorkerConfig {
    WorkerConfig {
        lease: Lease { owner, duration: config.work.lease },
        run_deadline: config.work.run_deadline,
        stall_after: config.work.stage_deadline,
        outage_deadline: config.analyst.outage_deadline,
        // A web process executes no runs.
        concurrent_runs_max: match config.work.role {
            Role::Web => 0,
            Role::All | Role::Worker => config.work.concurrent_runs_max,
        },
    }
}

fn reconciler(
    config: &Config,
    stores: &Stores,
    worker: &Worker,
    clock: &Arc<dyn Clock>,
) -> Option<Arc<Reconciler>> {
    let target = stores.postgres.clone()?;
    let reconciler = Reconciler::new(
        stores.router.clone(),
        target,
        Some(Arc::new(worker.clone())),
        config.storage.retention,
        clock.clone(),
    );
    let process = &config.process;
    let kind = FileStorage::of(process.environment, &config.storage.place, process.volume.as_deref());
    Some(Arc::new(if kind == FileStorage::Ephemeral { reconciler.on_ephemeral_disk() } else { reconciler }))
}

fn retention(
    config: &Config,
    stores: &Stores,
    reconciler: Option<&Arc<Reconciler>>,
    clock: &Arc<dyn Clock>,
) -> Option<Retention> {
    Some(Retention {
        router: stores.router.clone(),
        database: reconciler
            .cloned()
            .zip(stores.postgres.clone())
            .map(|(reconciler, target)| (reconciler, target as Arc<dyn SyncTarget>)),
        clock: clock.clone(),
        keep: config.storage.retention?,
        keep_tombstones: config.storage.tombstone_retention,
    })
}

fn disk_replicas(
    config: &Config,
    stores: &Stores,
    identity: &Identity,
    clock: &Arc<dyn Clock>,
) -> Option<DiskReplicas> {
    Some(DiskReplicas {
        locks: Arc::new(ReplicaLocks::at(&config.storage.place)?),
        presence: stores.presence.clone(),
        replica: identity.replica.clone(),
        clock: clock.clone(),
        calls: OneAtATime::default(),
    })
}

fn heartbeat(
    config: &Config,
    stores: &Stores,
    worker: &Worker,
    identity: &Identity,
    disk: Option<DiskReplicas>,
) -> Option<ReplicaHeartbeat> {
    Some(ReplicaHeartbeat {
        registry: stores.registry()?,
        router: stores.router.clone(),
        worker: worker.clone(),
        presence: stores.presence.clone(),
        disk,
        identity: identity.clone(),
        role: config.work.role,
    })
}

pub(super) fn dispatcher(
    config: &Config,
    stores: &Stores,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<WebhookDispatcher>>, WiringError> {
    let (Some(target), Some(woken)) = (config.webhooks.target.clone(), stores.webhooks_due.clone()) else {
        return Ok(None);
    };
    let timeout = config.webhooks.timeout;
    Ok(Some(Arc::new(WebhookDispatcher {
        router: stores.router.clone(),
        database: stores.postgres.clone().map(|store| store as Arc<dyn Outbox>),
        sender: Sender::new(target, timeout, config.documents.extra_ca_file.as_deref())?,
        timeout,
        clock: clock.clone(),
        woken,
    })))
}
