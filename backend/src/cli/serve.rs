//! `innovation serve`: runs the HTTP API and the worker until a signal stops them.

mod tasks;

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

use pipeline::run::RunId;
use storage::{files::DurabilityForecast, sync::Reconciler};
use tokio::{net::TcpListener, runtime::Handle, task::JoinHandle, time::timeout};

use self::tasks::{Ending, start_background};
use super::output::fail;
use crate::{
    app::Service,
    background::Lifetime,
    config::{Config, Role},
    console,
    health::Health,
    http::{self, ServeLimits, request_runtime::RequestRuntime},
    lifecycle,
    telemetry::{logs::Banner, traces},
    watchdog,
};

/// The least time for the last sync of files to the database, however long the drain took. It is enough for
/// one or two passes.
const FLUSH_MIN: Duration = Duration::from_secs(2);

/// How long the start waits for the database, each time. An order is a matter of seconds, and so is a start.
const START_TIMEOUT: Duration = Duration::from_secs(2);

/// The time limit for writing the mirror's last parts to the files: one group that does not answer.
const MIRROR_TIMEOUT: Duration = Duration::from_secs(5);

/// How many unsynced runs the log names.
const NAMED_MAX: usize = 5;

/// The time limit for closing the database's connections.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The role of this process [default: ROLE, else all]
    #[arg(long, value_enum)]
    role: Option<Role>,
}

/// Serves until the first signal, then drains.
pub async fn run(args: Args, mut config: Config) -> ExitCode {
    config.work.role = args.role.unwrap_or(config.work.role);
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => fail(&reason),
    }
}

/// The error is a sentence for the operator.
async fn serve(config: Config) -> Result<(), String> {
    let limits = serve_limits(&config, lifecycle::raise_open_files());
    let (role, drain) = (config.work.role, config.process.drain);
    let address = SocketAddr::from((config.process.host, config.process.port));
    let warnings = config.warnings.clone();
    watchdog::end_process_when_stuck(Handle::current()).map_err(|error| error.to_string())?;
    let service = Service::new(config).map_err(|error| error.to_string())?;
    tokio::join!(read_flags(&service), read_keys(&service), record_deployment(&service));
    announce(&service, role, &warnings);
    prove_reading(&service);
    let requests = RequestRuntime::start().map_err(|error| error.to_string())?;
    let listener = bind(&requests, address).await?;
    let ending = start_background(&service, role);
    lifecycle::cancel_on_signals(service.background.token(Lifetime::Signal).clone());
    let signalled_at = Arc::new(OnceLock::new());
    let stop = drain_when_signalled(&service, drain, signalled_at.clone());
    let serving = http::serve(
        listener,
        http::router(service.http.clone(), console::pages(&service.http)),
        stop,
        limits,
    );
    requests.run(serving).await.map_err(|error| error.to_string())?;
    let now = service.clock.monotonic();
    let gone = signalled_at.get().map_or(drain, |at| now.saturating_sub(*at));
    let left = leave(service, ending, drain.saturating_sub(gone).max(FLUSH_MIN));
    left.await;
    // The last spans are those of the last webhooks.
    traces::shut_down().await;
    tracing::info!(event = "service_stopped", "stopped");
    Ok(())
}

/// Applies the flags of the database before the first request, if it answers soon. A service must start without it.
async fn read_flags(service: &Service) {
    if let Some(sync) = &service.flag_sync {
        // The task that goes on with it logs an outage.
        let _ = timeout(START_TIMEOUT, sync.pass()).await;
    }
}

/// Reads the keys of the database before the first request, if it answers soon.
async fn read_keys(service: &Service) {
    // In FILE_ONLY, nobody connects to the database.
    let is_asked = service.flags.effective().asks_database();
    if let Some(reader) = service.keys.as_ref().filter(|_| is_asked) {
        let _ = timeout(START_TIMEOUT, reader.read()).await;
    }
}

/// Records the start of this process before anything can crash it, if a store answers soon.
async fn record_deployment(service: &Service) {
    // The task that goes on with it logs an outage.
    let _ = timeout(START_TIMEOUT, service.deployments.recorder.start()).await;
}

/// The limits of connections, within the process's limit of open files.
fn serve_limits(config: &Config, open_files: Option<u64>) -> ServeLimits {
    let wanted = config.connections;
    let connections = open_files.map_or(wanted, |limit| wanted.within(limit));
    if connections.connections_max < wanted.connections_max {
        tracing::warn!(
            event = "connections_limit_reduced",
            connections_max = connections.connections_max,
            open_files,
            "the limit of open files allows fewer connections than MAX_CONNECTIONS"
        );
    }
    ServeLimits::new(&connections, config.access.trusted_proxy_hops)
}

fn announce(service: &Service, role: Role, warnings: &[String]) {
    Banner {
        identity: &service.identity,
        storage: &service.router.state(),
        files: &service.router.files().place(),
        file_storage: service.http.health.file_storage(),
        analyst: &service.analyst_name,
    }
    .announce();
    announce_file_acceptance(service);
    tracing::info!(event = "service_role_selected", role = role.as_str(), "role {}", role.as_str());
    for warning in warnings {
        tracing::warn!(event = "configuration_warning", "{warning}");
    }
}

/// Says whether files alone may accept runs. A service without a database accepts nothing if they may not.
fn announce_file_acceptance(service: &Service) {
    let reason = service.router.file_acceptance();
    let (reason, sentence) = (reason.as_str(), reason.sentence());
    if service.router.state().writes_files_alone() && service.router.file_refusal().is_some() {
        tracing::warn!(event = "file_acceptance_refused", reason, "{sentence}");
    } else {
        tracing::info!(event = "file_acceptance_decided", reason, "acceptance by file alone: {sentence}");
    }
}

/// Starts the fork server and logs what confines it, while the service starts.
fn prove_reading(service: &Service) {
    let readers = service.readers.clone();
    tokio::spawn(async move {
        if let Err(error) = readers.self_test().await {
            tracing::error!(event = "document_self_test_failed", %error, "no document can be read");
        }
        readers.probe_ocr().await;
    });
}

async fn bind(requests: &RequestRuntime, address: SocketAddr) -> Result<TcpListener, String> {
    let bound = requests.run(TcpListener::bind(address)).await.map_err(|error| error.to_string())?;
    let listener = bound.map_err(|error| format!("{address}: {error}; choose another PORT"))?;
    tracing::info!(event = "service_listening", "listening on {address}");
    Ok(listener)
}

/// Returns when a signal has stopped the process and its runs have ended, or were released. Records the time of the signal.
fn drain_when_signalled(
    service: &Service,
    window: Duration,
    signalled_at: Arc<OnceLock<Duration>>,
) -> impl Future<Output = ()> + Send + 'static {
    let signalled = service.background.token(Lifetime::Signal).clone();
    let (worker, streams, clock) =
        (service.worker.clone(), service.http.streams.clone(), service.clock.clone());
    let (presence, health) = (service.presence.clone(), service.http.health.clone());
    async move {
        signalled.cancelled().await;
        presence.stop();
        // Railway may kill at once.
        tokio::spawn(async move { tell_loss(&health, Moment::Signal).await });
        let _ = signalled_at.set(clock.monotonic());
        streams.end();
        tracing::info!(
            event = "drain_started",
            runs = worker.active_count(),
            ?window,
            "stopping: no new runs are taken"
        );
        worker.drain(window).await;
    }
}

/// The last run has ended: the files get what only the mirror has of them. From then on, every write goes there at once.
async fn drain_mirror(service: &Service) {
    let mirror = service.router.files().mirror();
    let _ = timeout(MIRROR_TIMEOUT, mirror.drained()).await;
    mirror.set_driven(false);
    let lag = mirror.lag();
    if lag.records > 0 {
        let (records, bytes) = (lag.records, lag.bytes);
        tracing::error!(
            event = "mirror_not_written",
            records,
            bytes,
            "the files do not have {records} writes that the database has; reconciliation fills them"
        );
    }
}

/// The last run has ended: tells the frontend, brings files into the database, and takes leave of both stores.
async fn leave(service: Service, ending: Ending, flush_window: Duration) {
    service.background.stop(Lifetime::Runs);
    drain_mirror(&service).await;
    // The task limits its own shutdown.
    wait(ending.webhooks).await;
    let files = service.router.files();
    if let Some(reconciler) = service.reconciler.as_ref().filter(|_| files.is_on_disk()) {
        flush_files(reconciler, flush_window).await;
    }
    tell_loss(&service.http.health, Moment::Exit).await;
    save_spending(&service).await;
    files.leave().await;
    service.background.stop(Lifetime::Process);
    wait(ending.heartbeat).await;
    let _ = timeout(GOODBYE_TIMEOUT, wait(ending.flags)).await;
    let _ = timeout(GOODBYE_TIMEOUT, wait(Some(ending.deployment))).await;
    let _ = timeout(GOODBYE_TIMEOUT, wait(ending.notifications)).await;
    if let Some(postgres) = &service.postgres {
        // The server notices a lost client anyway.
        let _ = timeout(GOODBYE_TIMEOUT, postgres.close()).await;
    }
}

/// Brings the costs of the last calls to the database.
async fn save_spending(service: &Service) {
    let Some(keys) = &service.keys else { return };
    let saved = timeout(GOODBYE_TIMEOUT, keys.save_spending()).await;
    if !matches!(saved, Ok(Ok(()))) {
        tracing::warn!(
            event = "spending_not_saved",
            "the last costs are missing from the day's quotas; the records of the runs have them"
        );
    }
}

async fn wait(task: Option<JoinHandle<()>>) {
    if let Some(task) = task {
        // A task that panicked has ended too.
        let _ = task.await;
    }
}

/// When the loss of a disk is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The disk may yet be written to the database.
    Signal,
    /// Nothing more is written.
    Exit,
}

/// Names the runs that are lost with this container's disk.
async fn tell_loss(health: &Health, moment: Moment) {
    let forecast = match health.durability_forecast_now().await {
        Ok(forecast) if forecast.runs() == 0 => return,
        Ok(forecast) => forecast,
        Err(error) => {
            tracing::warn!(event = "redeploy_loss_unknown", %error, "the runs that only this disk has cannot be counted");
            return;
        }
    };
    let runs = forecast.run_ids.iter().map(RunId::as_str).collect::<Vec<_>>().join(", ");
    let DurabilityForecast { open_runs, ended_runs, stages, .. } = forecast;
    if moment == Moment::Signal {
        tracing::warn!(
            event = "redeploy_loss_forecast",
            open_runs,
            ended_runs,
            stages,
            runs,
            "{open_runs} open and {ended_runs} ended runs are on this ephemeral disk alone: {runs}"
        );
    } else {
        tracing::error!(
            event = "redeploy_loss",
            open_runs,
            ended_runs,
            stages,
            runs,
            "{open_runs} open and {ended_runs} ended runs are lost with this ephemeral disk: {runs}"
        );
    }
}

/// Writes parts that only this process's files hold to the database. A container's disk may vanish with it.
async fn flush_files(reconciler: &Reconciler, window: Duration) {
    match reconciler.flush_before_exit(window).await {
        Ok(left) if left.is_empty() => {}
        Ok(left) => {
            let named: Vec<&str> = left.iter().take(NAMED_MAX).map(RunId::as_str).collect();
            tracing::error!(
                event = "unsynced_runs_left",
                runs = left.len(),
                "the files of {} runs are not in the database, and this process leaves them behind: {}{}",
                left.len(),
                named.join(", "),
                if left.len() > NAMED_MAX { ", …" } else { "" }
            );
        }
        Err(error) => {
            tracing::error!(event = "unsynced_runs_unreadable", %error, "cannot check for unsynced runs at shutdown; files may be lost with this container")
        }
    }
}
