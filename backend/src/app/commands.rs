//! The parts of the service that commands use.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use storage::{
    Outbox,
    control_plane::UserRuns,
    files::FileStore,
    mode::Flags,
    postgres::PostgresStore,
    router::{ReplicaPresence, Router, RouterConfig},
    sync::Reconciler,
};
use tokio::sync::Notify;

use super::{
    alerts::wire_admin,
    error::WiringError,
    storage::{Stores, database, wire_storage},
    work::dispatcher,
};
use crate::{
    access::KeyAdmin,
    alerts::admin::AlertAdmin,
    answer_cache::AnswerAdmin,
    audit::Audit,
    config::Config,
    forget::Forget,
    health::FileStorage,
    runs::bulk::BulkAdmin,
    status::StatusSources,
    webhooks::{WebhookDispatcher, admin::WebhookAdmin},
};
use foundation::clock::SystemClock;

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
    let flags = Flags { database_writes: true, file_fallback: true, revision: 0, database_revision: None };
    let router = Arc::new(Router::new(
        files,
        Some(database(postgres.clone(), &config.database, &clock)),
        tokio::sync::watch::channel(flags).1,
        RouterConfig { presence: Arc::new(ReplicaPresence::new(None)), retry_deadline: Duration::ZERO },
        clock.clone(),
    ));
    Ok(Some(Reconciler::new(router, postgres, None, config.storage.retention, clock)))
}

/// Wires the stores for a command, in the modes and under the rules of a service.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn command_router(config: &Config) -> Result<Arc<Router>, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Ok(wire_storage(config, &clock)?.router)
}

/// Wires the use case of keys, for a command. None without a database.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn key_admin(config: &Config) -> Result<Option<KeyAdmin>, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let Some(postgres) = PostgresStore::new(&config.database)? else { return Ok(None) };
    Ok(Some(KeyAdmin { keys: Arc::new(postgres), ring: None, clock }))
}

/// Wires the administration of cached answers, for a command.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn answer_admin(config: &Config) -> Result<AnswerAdmin, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Ok(wire_storage(config, &clock)?.answer_admin(config))
}

/// Wires what people do with alerts, for a command.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn alert_admin(config: &Config) -> Result<AlertAdmin, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    wire_admin(config, &wire_storage(config, &clock)?, None, &clock)
}

/// Wires the audit, for a command.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn audit(config: &Config) -> Result<Audit, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Ok(wire_storage(config, &clock)?.audit)
}

/// Wires the administration of bulk operations, for a command. A running service works on them.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn bulk_admin(config: &Config) -> Result<BulkAdmin, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Ok(wire_storage(config, &clock)?.bulk_admin(&clock))
}

/// Wires the parts that forget a user, for a command.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn forget(config: &Config) -> Result<Forget, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let stores = wire_storage(config, &clock)?;
    let answers = stores.answer_admin(config);
    let Stores { router, postgres, audit, .. } = stores;
    let database = postgres.map(|store| store as Arc<dyn UserRuns>);
    Ok(Forget { router, database, answers, audit, clock })
}

/// Wires the sources of the service's state, for a command.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn status_sources(config: &Config) -> Result<StatusSources, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let stores = wire_storage(config, &clock)?;
    let (registry, queue_stats) = (stores.registry(), stores.queue_stats());
    let file_storage = FileStorage::of_config(config);
    Ok(StatusSources { router: stores.router, registry, queue_stats, file_storage, clock })
}

/// Wires the part that sends webhooks, for a command. None if webhooks are off.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn webhook_dispatcher(config: &Config) -> Result<Option<Arc<WebhookDispatcher>>, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    dispatcher(config, &wire_storage(config, &clock)?, &clock)
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
