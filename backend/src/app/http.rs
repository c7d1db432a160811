//! The state of the API's handlers.

use std::sync::Arc;

use pipeline::clock::Clock;
use storage::ChangeNotifier;

use super::{storage::Stores, work::Work};
use crate::{
    access::{FailedKeys, KeyAdmin, KeyRing, QuotaKeeper, Sessions},
    alerts::admin::AlertAdmin,
    background::Background,
    config::{Config, Role},
    deployments::DeploymentAdmin,
    flags::FlagControl,
    health::{FileStorage, Health, HealthDeps, outside::Outside},
    http::{FairShare, HttpState, Limits, Streams},
    reconciliation::ReconcileDesk,
    runs::{RunFinder, RunWatchers, Runs, RunsDeps, admission::Admission},
    webhooks::desk::WebhookDesk,
};

/// Holds what operators control beside the runs.
pub(super) struct Controls {
    pub(super) flags: FlagControl,
    pub(super) keys: Arc<KeyRing>,
    pub(super) deployments: DeploymentAdmin,
    pub(super) alerts: AlertAdmin,
}

pub(super) fn wire_http(
    config: Config,
    stores: &Stores,
    work: &Work,
    controls: Controls,
    clock: &Arc<dyn Clock>,
    background: Background,
) -> HttpState {
    let Controls { flags, keys, deployments, alerts } = controls;
    let (router, worker) = (&stores.router, &work.worker);
    let queue = Admission::new(
        router.clone(),
        worker.clone(),
        stores.queue_stats(),
        clock.clone(),
        config.work.queued_runs_max,
    );
    let runs = Arc::new(Runs::new(RunsDeps {
        router: router.clone(),
        worker: worker.clone(),
        queue,
        fetcher: work.fetcher.clone(),
        brands: work.brands.clone(),
        answers: stores.answer_admin(&config),
        audit: stores.audit.clone(),
        flags: stores.flags.clone(),
        clock: clock.clone(),
    }));
    let notifier = stores.postgres.clone().map(|store| store as Arc<dyn ChangeNotifier>);
    let health = Health::new(HealthDeps {
        identity: work.identity.clone(),
        router: router.clone(),
        worker: worker.clone(),
        clock: clock.clone(),
        file_storage: FileStorage::of_config(&config),
        flags: Some(stores.flags.clone()),
        reconciler: work.reconciler.clone(),
        registry: stores.registry(),
        queue_stats: stores.queue_stats(),
        model: work.gate.clone(),
        readers: work.readers.clone(),
    });
    let outside = Outside::new(
        stores.postgres.clone(),
        work.baseline.clone(),
        work.model_probe.clone(),
        work.dispatcher.as_ref().map(|dispatcher| dispatcher.sender.clone()),
    );
    HttpState {
        watchers: Arc::new(RunWatchers::new(runs.clone(), router.clone(), notifier)),
        finder: Arc::new(RunFinder::new(runs.clone(), router.clone(), stores.run_search())),
        runs,
        // The other half of the connections stays free for other requests.
        streams: Streams::new(
            config.access.event_streams_per_client_max,
            config.connections.connections_max.div_ceil(2),
        ),
        fair_share: FairShare::new(config.connections.per_address_max, config.access.trusted_proxy_hops),
        health: Arc::new(
            health.with_background(background).with_outside(outside).with_alerts(alerts.clone()),
        ),
        brands: work.brands.clone(),
        flags: Arc::new(flags),
        deployments: Arc::new(deployments),
        failed_keys: FailedKeys::new(clock.clone()),
        sessions: Arc::new(Sessions::new(keys.clone(), &config.access, clock.clone())),
        quotas: QuotaKeeper::new(stores.usage(), router.clone(), work.spend.clone(), clock.clone()),
        key_admin: stores
            .api_keys()
            .map(|store| Arc::new(KeyAdmin { keys: store, ring: Some(keys.clone()), clock: clock.clone() })),
        keys,
        access: Arc::new(config.access),
        audit: stores.audit.clone(),
        alerts: Arc::new(alerts),
        operations: stores.bulk_admin(clock),
        reconciliation: ReconcileDesk { reconciler: work.reconciler.clone(), audit: stores.audit.clone() },
        webhooks: work
            .dispatcher
            .clone()
            .map(|dispatcher| WebhookDesk { dispatcher, audit: stores.audit.clone() }),
        serves_runs: config.work.role != Role::Worker,
        limits: Limits::default(),
    }
}
