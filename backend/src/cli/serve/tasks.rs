//! Starts the background tasks of a service, each with its lifetime.

use storage::{Notification, router::Database, sync::survey::Survey};
use tokio::task::JoinHandle;

use crate::{
    alerts::{notify::Notifier, watch::Watch},
    app::{AlertTasks, Service},
    background::{
        Lifetime,
        tasks::{
            alerts::{AskPlatform, NotifyChannel, PingHeartbeat, WatchAlerts},
            answers::ExpireAnswers,
            audit::ImportAudit,
            baseline::{self, KeepBaseline},
            batches::SettleBatches,
            bucket_guard::BucketGuard,
            bulk::WorkOnOperations,
            change_publisher::PublishChanges,
            database_probe::DatabaseProbe,
            deployments::{JudgeDeployments, ReportDeployment},
            documents::SweepDocuments,
            figures::LogFigures,
            file_probe::FileProbe,
            flags_file::FlagsFile,
            flags_sync::SyncFlags,
            keys::ReadKeys,
            leases::{RenewLeases, RenewRetainedLeases, TakeRows, VerifyLeases},
            mirror::WriteMirror,
            notifications::Notifications,
            objectives::SampleObjectives,
            reconcile::Reconcile,
            removals::FinishRemovals,
            replica_heartbeat::WriteHeartbeat,
            replica_lock::LockReplica,
            retention::RemoveExpired,
            run_poll::PollRuns,
            webhooks::SendWebhooks,
        },
    },
    config::Role,
    telemetry::{metrics, minute::Minutes},
};

/// The tasks whose end the process waits for.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) webhooks: Option<JoinHandle<()>>,
    pub(super) heartbeat: Option<JoinHandle<()>>,
    pub(super) notifications: Option<JoinHandle<()>>,
    pub(super) flags: Option<JoinHandle<()>>,
    pub(super) deployment: JoinHandle<()>,
}

pub(super) fn start_background(service: &Service, role: Role) -> Ending {
    start_store_tasks(service);
    let flags = start_flags(service);
    let background = &service.background;
    let heartbeat = service.heartbeat.clone();
    let heartbeat =
        heartbeat.map(|heartbeat| background.start(Lifetime::Process, WriteHeartbeat { heartbeat }));
    if role != Role::Web {
        start_worker(service);
    }
    let notifications = start_notifications(service);
    if let Some(reader) = service.keys.clone() {
        background.start(Lifetime::Process, ReadKeys { reader, flags: service.flags.clone() });
    }
    let watchers = service.http.watchers.clone();
    background.start(Lifetime::Runs, PublishChanges::new(watchers.clone()));
    background.start(Lifetime::Runs, PollRuns { watchers });
    let dispatcher = service.dispatcher.clone();
    let webhooks =
        dispatcher.map(|dispatcher| background.start(Lifetime::Runs, SendWebhooks::new(dispatcher)));
    if let Some(retention) = service.retention.clone() {
        background.start(Lifetime::Signal, RemoveExpired { retention });
    }
    let sweep = SweepDocuments::new(service.router.clone(), service.clock.clone());
    background.start(Lifetime::Signal, sweep);
    if let Some(keeper) = service.baseline.clone() {
        let router = service.router.clone();
        let uses_database = Box::new(move || router.uses_database());
        let keep = KeepBaseline { keeper, uses_database, period: baseline::PERIOD };
        background.start(Lifetime::Signal, keep);
    }
    if let Some(period) = service.figures_period {
        let minutes = Minutes::since(&metrics::counted().unwrap_or_default());
        let health = service.http.health.clone();
        background.start(Lifetime::Runs, LogFigures { health, period, minutes });
    }
    background.start(Lifetime::Process, SampleObjectives { objectives: service.objectives.clone() });
    background.start(Lifetime::Signal, ExpireAnswers { answers: service.answers.clone() });
    if let Some(executor) = service.bulk.clone() {
        background.start(Lifetime::Signal, WorkOnOperations::new(executor));
    }
    background.start(Lifetime::Signal, ImportAudit::new(service.http.audit.clone()));
    background.start(Lifetime::Signal, FinishRemovals { router: service.router.clone() });
    background.start(Lifetime::Signal, SettleBatches::new(service.router.clone()));
    start_alerts(service);
    let deployment = start_deployment(service);
    Ending { webhooks, heartbeat, notifications, flags, deployment }
}

/// The reports of this process of a deployment, and the arbiter. They end with the signal, which is no crash.
fn start_deployment(service: &Service) -> JoinHandle<()> {
    let (background, parts) = (&service.background, &service.deployments);
    let (arbiter, period) = (parts.arbiter.clone(), parts.check_period);
    background.start(Lifetime::Signal, JudgeDeployments { arbiter, period });
    let (recorder, period) = (parts.recorder.clone(), parts.report_period);
    background.start(Lifetime::Signal, ReportDeployment { recorder, period })
}

/// Both stores' own tasks. They go on until the process exits: the last files go to the database at the very end.
fn start_store_tasks(service: &Service) {
    let Service { background, router, flags, .. } = service;
    if let Some(disk) = service.disk.clone() {
        background.start(Lifetime::Process, LockReplica { disk });
    }
    if !router.files().is_on_disk() {
        background.start(Lifetime::Process, BucketGuard { files: router.files().clone() });
    }
    if let Some(breaker) = router.files().breaker() {
        let (files, breaker) = (router.files().clone(), breaker.clone());
        background.start(Lifetime::Process, FileProbe { files, breaker });
    }
    if router.database().is_some() {
        background.start(Lifetime::Process, WriteMirror::new(router.clone(), flags.subscribe()));
    }
    if let Some(database) = router.database() {
        background.start(Lifetime::Process, probe(service, database));
    }
    if let Some(reconciler) = service.reconciler.clone() {
        let flags = flags.subscribe();
        let survey = Survey::default();
        background.start(Lifetime::Process, Reconcile { reconciler, flags, swept_at: None, survey });
    }
}

/// The look at the rules of alerts, and a task for each channel: none delays another.
fn start_alerts(service: &Service) {
    let AlertTasks { watch, channels, heartbeat, platform } = service.alerts.clone();
    let (background, settings) = (&service.background, watch.settings.clone());
    if !settings.is_on {
        return;
    }
    let (board, clock, interval) = (watch.board.clone(), watch.clock.clone(), settings.interval);
    background.start(Lifetime::Process, WatchAlerts { watch: Watch::new(watch), interval });
    for channel in channels.all() {
        let notifier = Notifier::new(channel.clone(), board.clone(), settings.clone(), clock.clone());
        background.start(Lifetime::Process, NotifyChannel { notifier });
    }
    if let Some(heartbeat) = heartbeat {
        background.start(Lifetime::Process, PingHeartbeat { heartbeat, late: interval * 4 });
    }
    if let Some(platform) = platform {
        background.start(Lifetime::Process, AskPlatform { platform });
    }
}

/// The sources of flags.
fn start_flags(service: &Service) -> Option<JoinHandle<()>> {
    let Service { background, flags, .. } = service;
    if flags.has_file() {
        background.start(Lifetime::Process, FlagsFile { flags: flags.clone() });
    }
    let changed = service.flag_control.changed.clone();
    let sync = service.flag_sync.clone()?;
    Some(background.start(Lifetime::Process, SyncFlags { sync, changed }))
}

fn probe(service: &Service, database: &Database) -> DatabaseProbe {
    let (worker, reconciler) = (service.worker.clone(), service.reconciler.clone());
    let audit = service.http.audit.clone();
    DatabaseProbe {
        database: database.clone(),
        router: service.router.clone(),
        on_closed: Box::new(move || {
            worker.wake();
            audit.wake();
            if let Some(reconciler) = &reconciler {
                reconciler.wake();
            }
        }),
    }
}

/// The claim loop, and the leases of what it claims.
fn start_worker(service: &Service) {
    let worker = service.worker.clone();
    tokio::spawn(async move { worker.claim_until_told().await });
    let (background, worker) = (&service.background, &service.worker);
    background.start(Lifetime::Process, RenewLeases { worker: worker.clone() });
    background.start(Lifetime::Process, TakeRows { worker: worker.clone() });
    background.start(Lifetime::Process, RenewRetainedLeases { worker: worker.clone() });
    background.start(Lifetime::Process, VerifyLeases { worker: worker.clone() });
}

/// Until the last run has ended: it may be cancelled yet.
fn start_notifications(service: &Service) -> Option<JoinHandle<()>> {
    let listener = service.listener.clone()?;
    let (worker, watchers) = (service.worker.clone(), service.http.watchers.clone());
    let keys = service.http.keys.clone();
    let flags_changed = service.flag_control.changed.clone();
    let on_notification = move |heard| match heard {
        Notification::Connected => {
            keys.notify_changed();
            worker.wake();
            watchers.set_listening(true);
        }
        Notification::Lost => watchers.set_listening(false),
        Notification::KeysChanged => keys.notify_changed(),
        Notification::Waiting => worker.wake(),
        Notification::FlagsChanged => flags_changed.notify_one(),
        Notification::Cancelled(run) => worker.verify_ownership(&run),
        Notification::Changed { by, runs } => watchers.wake_local(&by, &runs),
    };
    let notifications = Notifications {
        listener,
        flags: service.flags.subscribe(),
        on_notification: Box::new(on_notification),
    };
    Some(service.background.start(Lifetime::Runs, notifications))
}
