//! The parts that record, judge and take back deployments.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use secrecy::SecretString;
use storage::control_plane::Deployments;

use super::{
    error::WiringError,
    storage::{Stores, wire_storage},
    work::Work,
};
use crate::{
    access::NewSecret,
    alerts::deployment::DeploymentWatch,
    config::{Config, Role},
    deployments::{
        Actions, Arbiter, ArbiterDeps, DeploymentAdmin, DeploymentLog, DeploymentRollback, GoldenPath,
        RailwayClient, Recorder, deployment_of, scope_of,
    },
    flags::FlagControl,
    health::{FileStorage, Health},
};
use foundation::clock::SystemClock;

/// Reports are not rarer than this, so that other replicas see a crash soon.
const REPORT_PERIOD_MAX: Duration = Duration::from_secs(10);

/// The parts of a service that concern deployments.
#[derive(Debug, Clone)]
pub struct DeploymentParts {
    pub recorder: Arc<Recorder>,
    pub arbiter: Arc<Arbiter>,
    pub report_period: Duration,
    pub check_period: Duration,
}

/// A key for this process's own requests to itself. None where no key is required.
pub(super) fn own_key(config: &Config) -> Option<NewSecret> {
    let access = &config.access;
    if access.api_keys.is_empty() && access.admin_keys.is_empty() { None } else { NewSecret::random() }
}

/// The use cases.
pub(super) fn wire_admin(config: &Config, stores: &Stores, clock: &Arc<dyn Clock>) -> DeploymentAdmin {
    let store = stores.postgres.clone().map(|store| store as Arc<dyn Deployments>);
    let log =
        DeploymentLog { store, router: stores.router.clone(), clock: clock.clone(), scope: scope_of(config) };
    let settings = &config.deployment.railway;
    DeploymentAdmin {
        rollback: DeploymentRollback {
            log: log.clone(),
            railway: RailwayClient::new(settings, config.documents.extra_ca_file.as_deref()),
            plan: settings.plan,
            audit: stores.audit.clone(),
            clock: clock.clone(),
        },
        log,
        flags: stores.flags.clone(),
        audit: stores.audit.clone(),
        own: deployment_of(config, clock),
    }
}

/// The recorder and the arbiter of a service.
pub(super) fn wire_arbiter(
    config: &Config,
    admin: &DeploymentAdmin,
    work: &Work,
    flags: FlagControl,
    health: Arc<Health>,
    key: Option<&SecretString>,
    watch: DeploymentWatch,
) -> DeploymentParts {
    let (log, clock) = (admin.log.clone(), &admin.log.clock);
    let recorder = Arc::new(Recorder::new(
        log.clone(),
        admin.own.clone(),
        work.identity.replica.clone(),
        health,
        work.baseline.clone(),
    ));
    let arbiter = config.deployment.arbiter.clone();
    let (host, port) = (config.process.host, config.process.port);
    // A worker accepts no runs, so it cannot walk the golden path through itself.
    let golden_path = match config.work.role {
        Role::Worker => None,
        Role::All | Role::Web => GoldenPath::new(host, port, key, clock.clone()).ok(),
    };
    let actions = Actions {
        action: arbiter.action,
        log: log.clone(),
        flags,
        rollback: admin.rollback.clone(),
        file_storage: FileStorage::of_config(config),
    };
    let check_period = arbiter.check;
    let deps = ArbiterDeps {
        watch,
        log,
        recorder: recorder.clone(),
        config: arbiter,
        baseline: work.baseline.clone(),
        golden_path,
        actions,
        audit: admin.audit.clone(),
    };
    DeploymentParts {
        recorder,
        arbiter: Arc::new(Arbiter::new(deps)),
        report_period: check_period.min(REPORT_PERIOD_MAX),
        check_period,
    }
}

/// Wires the use cases of deployments, for a command.
///
/// # Errors
///
/// [`WiringError`] names the setting that is unusable.
pub fn deployment_admin(config: &Config) -> Result<DeploymentAdmin, WiringError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Ok(wire_admin(config, &wire_storage(config, &clock)?, &clock))
}
