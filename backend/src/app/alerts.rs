//! The watch over the rules of alerts, its channels, and what people do with alerts.

use std::{path::Path, sync::Arc};

use pipeline::clock::Clock;

use super::{error::WiringError, storage::Stores, work::Work};
use crate::{
    alerts::{
        admin::AlertAdmin, board::Board, channels::Channels, deployment::DeploymentWatch,
        heartbeat::Heartbeat, http, observer::Observer, platform::PlatformWatch, watch::WatchDeps,
    },
    config::{Config, Role},
    health::Health,
    objectives::Objectives,
};

/// The parts that run in the background of a service.
#[derive(Debug, Clone)]
pub struct AlertTasks {
    pub watch: WatchDeps,
    pub channels: Arc<Channels>,
    /// None without its address.
    pub heartbeat: Option<Heartbeat>,
    /// None without the platform's token.
    pub platform: Option<Arc<PlatformWatch>>,
}

/// The use cases of alerts for people.
pub(super) fn wire_admin(
    config: &Config,
    stores: &Stores,
    objectives: Option<Arc<Objectives>>,
    clock: &Arc<dyn Clock>,
) -> Result<AlertAdmin, WiringError> {
    let settings = Arc::new(config.alerts.clone());
    let channels = Channels::new(settings.clone(), extra_ca(config)).map_err(WiringError::Alerts)?;
    Ok(AlertAdmin {
        board: Board::default(),
        store: stores.alert_store(),
        router: stores.router.clone(),
        audit: stores.audit.clone(),
        clock: clock.clone(),
        settings,
        channels: Arc::new(channels),
        objectives,
    })
}

/// The parts of the configuration that the tasks need.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) deployment: String,
    pub(super) role: Role,
    pub(super) extra_ca_file: Option<std::path::PathBuf>,
}

impl Surroundings {
    pub(super) fn of(config: &Config, work: &Work) -> Self {
        Self {
            deployment: config.process.deployment.clone().unwrap_or_else(|| work.identity.git_sha.clone()),
            role: config.work.role,
            extra_ca_file: config.documents.extra_ca_file.clone(),
        }
    }
}

/// The background of a service.
pub(super) fn wire_tasks(
    admin: &AlertAdmin,
    health: &Arc<Health>,
    objectives: &Arc<Objectives>,
    deployment: DeploymentWatch,
    surroundings: Surroundings,
) -> Result<AlertTasks, WiringError> {
    let AlertAdmin { board, store, router, clock, settings, channels, .. } = admin;
    let client = http::client(surroundings.extra_ca_file.as_deref()).map_err(WiringError::Alerts)?;
    let platform = settings.platform.clone();
    let platform = platform.map(|config| Arc::new(PlatformWatch::new(config, client.clone(), clock.clone())));
    let observer = Observer {
        health: health.clone(),
        objectives: objectives.clone(),
        store: store.clone(),
        router: router.clone(),
        deployment,
        platform: platform.clone(),
        board: board.clone(),
        settings: settings.clone(),
        is_worker: surroundings.role != Role::Web,
    };
    let watch = WatchDeps {
        observer,
        store: store.clone(),
        router: router.clone(),
        board: board.clone(),
        settings: settings.clone(),
        clock: clock.clone(),
        replica: health.identity().replica.clone(),
        deployment: surroundings.deployment,
    };
    let heartbeat = settings
        .heartbeat
        .clone()
        .map(|url| Heartbeat::new(url, settings.heartbeat_every, client, board.clone(), clock.clone()));
    Ok(AlertTasks { watch, channels: channels.clone(), heartbeat, platform })
}

fn extra_ca(config: &Config) -> Option<&Path> {
    config.documents.extra_ca_file.as_deref()
}
