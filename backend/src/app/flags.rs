//! The use cases of flags, and the task that brings them from the database.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use storage::{
    control_plane::FlagStore,
    files::FileStore,
    postgres::PostgresStore,
    router::{PresenceRules, ReplicaPresence},
};
use tokio::sync::Notify;

use super::{
    error::WiringError,
    storage::{Stores, flag_source, presence_rules},
};
use crate::{
    config::Config,
    flags::{FlagControl, FlagSync, SyncState},
    health::{Durability, FileStorage},
};
use foundation::clock::SystemClock;

fn is_ephemeral(config: &Config) -> bool {
    FileStorage::of_config(config).durability() == Durability::Ephemeral
}

/// For a service.
pub(super) fn wire_flags(
    config: &Config,
    stores: &Stores,
    replica: &str,
    clock: &Arc<dyn Clock>,
) -> (FlagControl, Option<Arc<FlagSync>>) {
    let store = stores.postgres.clone().map(|store| store as Arc<dyn FlagStore>);
    let secret = config.modes.admin_secret.clone();
    let sync = store.clone().map(|store| {
        Arc::new(FlagSync {
            source: stores.flags.clone(),
            store,
            files: stores.router.files().clone(),
            clock: clock.clone(),
            secret: secret.clone(),
            replica: replica.to_owned(),
            state: SyncState::default().into(),
        })
    });
    let control = FlagControl {
        source: stores.flags.clone(),
        store,
        files: stores.router.files().clone(),
        presence: stores.presence.clone(),
        is_ephemeral: is_ephemeral(config),
        clock: clock.clone(),
        secret,
        changed: Arc::new(Notify::new()),
        replica: Some(replica.to_owned()),
        deployment: config.process.deployment.clone(),
    };
    (control, sync)
}

/// For a command.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn flag_control(config: &Config) -> Result<FlagControl, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let store = PostgresStore::new(&config.database)?;
    // A command is no replica, so it overlaps with none.
    let rules = PresenceRules { overlap: Duration::ZERO, ..presence_rules(config) };
    Ok(FlagControl {
        source: flag_source(config, &clock),
        store: store.map(|store| Arc::new(store) as Arc<dyn FlagStore>),
        files: FileStore::of(&config.storage, config.work.lease, clock.clone())?,
        presence: Arc::new(ReplicaPresence::by_rules(rules, &clock)),
        is_ephemeral: is_ephemeral(config),
        clock,
        secret: config.modes.admin_secret.clone(),
        changed: Arc::new(Notify::new()),
        replica: None,
        deployment: config.process.deployment.clone(),
    })
}
