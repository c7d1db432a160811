//! Both stores, the flags, and the router over them.

use std::sync::Arc;

use pipeline::clock::Clock;
use storage::{
    Batches, QueueStats, ReplicaRegistry, RunSearch,
    breaker::{Breaker, BreakerConfig},
    bulkhead::Bulkhead,
    control_plane::{AlertStore, AnswerStore, ApiKeys, AuditLog, BulkOperations, ServiceLevels, UsageStore},
    files::FileStore,
    postgres::PostgresStore,
    router::{Database, PresenceRules, ReadLimiter, ReplicaPresence, Router, RouterConfig},
};
use tokio::sync::Notify;

use super::error::WiringError;
use crate::{
    answer_cache::AnswerAdmin,
    audit::Audit,
    config::{Config, DatabaseConfig, Role},
    flags::FlagSource,
    health::FileStorage,
    runs::bulk::BulkAdmin,
    telemetry::stores::StorageTelemetry,
};

/// Where runs are stored.
pub(super) struct Stores {
    pub(super) router: Arc<Router>,
    /// None without a database.
    pub(super) postgres: Option<Arc<PostgresStore>>,
    pub(super) flags: FlagSource,
    pub(super) presence: Arc<ReplicaPresence>,
    pub(super) audit: Audit,
    /// Woken when an event is queued. None if webhooks are off.
    pub(super) webhooks_due: Option<Arc<Notify>>,
}

impl Stores {
    /// None without a database.
    pub(super) fn registry(&self) -> Option<Arc<dyn ReplicaRegistry>> {
        self.postgres.clone().map(|store| store as Arc<dyn ReplicaRegistry>)
    }

    /// None without a database.
    pub(super) fn api_keys(&self) -> Option<Arc<dyn ApiKeys>> {
        self.postgres.clone().map(|store| store as Arc<dyn ApiKeys>)
    }

    /// None without a database.
    pub(super) fn service_levels(&self) -> Option<Arc<dyn ServiceLevels>> {
        self.postgres.clone().map(|store| store as Arc<dyn ServiceLevels>)
    }

    /// None without a database.
    pub(super) fn alert_store(&self) -> Option<Arc<dyn AlertStore>> {
        self.postgres.clone().map(|store| store as Arc<dyn AlertStore>)
    }

    /// None without a database.
    pub(super) fn answer_store(&self) -> Option<Arc<dyn AnswerStore>> {
        self.postgres.clone().map(|store| store as Arc<dyn AnswerStore>)
    }

    pub(super) fn answer_admin(&self, config: &Config) -> AnswerAdmin {
        AnswerAdmin {
            store: self.answer_store(),
            router: self.router.clone(),
            audit: self.audit.clone(),
            keep: config.answers.keep,
        }
    }

    pub(super) fn bulk_admin(&self, clock: &Arc<dyn Clock>) -> BulkAdmin {
        BulkAdmin {
            store: self.postgres.clone().map(|store| store as Arc<dyn BulkOperations>),
            router: self.router.clone(),
            audit: self.audit.clone(),
            clock: clock.clone(),
            started: Arc::default(),
        }
    }

    /// None without a database.
    pub(super) fn usage(&self) -> Option<Arc<dyn UsageStore>> {
        self.postgres.clone().map(|store| store as Arc<dyn UsageStore>)
    }

    pub(super) fn run_search(&self) -> Option<Arc<dyn RunSearch>> {
        self.postgres.clone().map(|store| store as Arc<dyn RunSearch>)
    }

    pub(super) fn queue_stats(&self) -> Option<Arc<dyn QueueStats>> {
        self.postgres.clone().map(|store| store as Arc<dyn QueueStats>)
    }
}

/// The flags in effect.
pub(super) fn flag_source(config: &Config, clock: &Arc<dyn Clock>) -> FlagSource {
    let modes = &config.modes;
    FlagSource::new(
        modes.flags.clone(),
        modes.flags_file.clone(),
        // On the local disk also with a bucket: each replica has a file of its own.
        Some(config.storage.local.clone()),
        config.database.url.is_some(),
        clock,
    )
}

pub(super) fn wire_storage(config: &Config, clock: &Arc<dyn Clock>) -> Result<Stores, WiringError> {
    let flags = flag_source(config, clock);
    // Without a receiver, no webhook is queued.
    let webhooks_due = config.webhooks.target.as_ref().map(|_| Arc::new(Notify::new()));
    let postgres = PostgresStore::new(&config.database)?;
    let postgres = postgres.map(|store| {
        let store = store.with_webhooks(webhooks_due.clone()).with_clock(clock.clone());
        let store = store.with_batching(Arc::new(flags.clone()));
        Arc::new(store.observed_by(Arc::new(StorageTelemetry)))
    });
    let files = FileStore::of(&config.storage, config.work.lease, clock.clone())?
        .observed_by(Arc::new(StorageTelemetry));
    let presence = Arc::new(ReplicaPresence::by_rules(presence_rules(config), clock));
    let router = Router::new(
        files.with_webhooks(webhooks_due.clone()).with_breaker(),
        postgres.clone().map(|store| database(store, &config.database, clock)),
        flags.subscribe(),
        RouterConfig { presence: presence.clone(), retry_deadline: config.database.retry_deadline },
        clock.clone(),
    );
    let batches = postgres.clone().map(|store| store as Arc<dyn Batches>);
    let router = Arc::new(router.with_batches(batches).observed_by(Arc::new(StorageTelemetry)));
    let audit = Audit::new(
        router.clone(),
        postgres.clone().map(|store| store as Arc<dyn AuditLog>),
        clock.clone(),
        config.process.deployment.clone(),
        config.audit.keep,
    );
    Ok(Stores { router, postgres, flags, presence, audit, webhooks_due })
}

/// The configuration's statements about other replicas.
pub(super) fn presence_rules(config: &Config) -> PresenceRules {
    PresenceRules {
        single_replica: config.work.single_replica,
        is_web: config.work.role == Role::Web,
        is_deployed: config.process.environment.is_strict(),
        has_volume: FileStorage::of_config(config) == FileStorage::Volume,
        overlap: config.process.overlap,
    }
}

/// The database behind its breaker and its bulkhead.
pub(super) fn database(
    store: Arc<PostgresStore>,
    config: &DatabaseConfig,
    clock: &Arc<dyn Clock>,
) -> Database {
    let breaker = Arc::new(Breaker::new(BreakerConfig::default(), clock.clone()));
    // If the database answers no call within a statement's time limit, it is down. The running writes notice
    // that a little later, and need not be awaited.
    let bulkhead = Arc::new(Bulkhead::new(config.database_calls_max(), config.statement_timeout));
    let read_limiter = Arc::new(ReadLimiter::new(config.readers_max(), config.acquire_timeout));
    Database { store, breaker, bulkhead, read_limiter }
}
