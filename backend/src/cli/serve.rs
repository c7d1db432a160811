//! `innovation serve`: runs the HTTP API and the worker until a signal stops them.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

use pipeline::run::RunId;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;

use super::fail;
use crate::{
    app::Service,
    config::{Config, Role},
    http::{self, ServeLimits, request_runtime::RequestRuntime},
    lifecycle, reconcile,
    runs::sweep_removals,
    telemetry::logs::Banner,
};
use storage::{
    Notification, create_if_absent::check_create_if_absent, probe::probe_when_open, sync::Reconciler,
};

/// The least time for the last sync of files to the database, however long the drain took. It is enough for
/// one or two passes.
const FLUSH_MIN: Duration = Duration::from_secs(2);

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
    let role = args.role.unwrap_or(config.work.role);
    config.work.role = role;
    lifecycle::raise_open_files();
    let address = SocketAddr::from((config.process.host, config.process.port));
    let drain = config.process.drain;
    let warnings = config.warnings.clone();
    let service = match Service::new(config) {
        Ok(service) => service,
        Err(error) => return fail(&error),
    };
    Banner {
        identity: &service.identity,
        storage: &service.router.state(),
        files: &service.router.files().place(),
        file_storage: service.http.health.file_storage(),
        analyst: &service.analyst_name,
    }
    .announce();
    tracing::info!(event = "service_role_selected", role = role.as_str(), "role {}", role.as_str());
    for warning in warnings {
        tracing::warn!(event = "configuration_warning", "{warning}");
    }
    let requests = match RequestRuntime::start() {
        Ok(requests) => requests,
        Err(error) => return fail(&error),
    };
    let listener = match requests.run(TcpListener::bind(address)).await {
        Ok(Ok(listener)) => listener,
        Ok(Err(error)) => return fail(&format!("{address}: {error}; choose another PORT")),
        Err(error) => return fail(&error),
    };
    tracing::info!(event = "service_listening", "listening on {address}");

    tokio::spawn(service.flags.clone().watch());
    tokio::spawn(check_create_if_absent(service.router.files().clone()));
    if let Some(database) = service.router.database() {
        let (worker, reconciler) = (service.worker.clone(), service.reconciler.clone());
        let probing = probe_when_open(database.clone(), service.flags.subscribe(), move || {
            worker.wake();
            if let Some(reconciler) = &reconciler {
                reconciler.wake();
            }
        });
        tokio::spawn(probing);
    }
    if let Some(reconciler) = service.reconciler.clone() {
        let mut flags = service.flags.subscribe();
        let woken = reconciler.clone();
        tokio::spawn(reconcile::run(reconciler));
        tokio::spawn(async move {
            while flags.changed().await.is_ok() {
                woken.wake();
            }
        });
    }
    if let Some(heartbeat) = service.heartbeat.clone() {
        tokio::spawn(async move { heartbeat.run().await });
    }
    let worker = service.worker.clone();
    if role != Role::Web {
        tokio::spawn(async move { worker.run().await });
    }

    let told = CancellationToken::new();
    // Cancelled when the last run has ended or was released.
    let ending = CancellationToken::new();
    let listening = service.listener.map(|listener| {
        let (worker, watchers) = (service.worker.clone(), service.http.watchers.clone());
        let on_notification = move |heard| match heard {
            Notification::Connected => {
                worker.wake();
                watchers.set_listening(true);
            }
            Notification::Lost => watchers.set_listening(false),
            Notification::Waiting => worker.wake(),
            Notification::Cancelled(run) => worker.verify_ownership(&run),
            Notification::Changed { by, runs } => watchers.wake_local(&by, &runs),
        };
        // Listen until the last run has ended, because it may still be cancelled.
        tokio::spawn(listener.run(service.flags.subscribe(), ending.clone(), on_notification))
    });
    let watchers = service.http.watchers.clone();
    let following = ending.clone();
    tokio::spawn(async move { watchers.run(following).await });
    let telling = service.dispatcher.map(|dispatcher| tokio::spawn(dispatcher.run(ending.clone())));
    lifecycle::cancel_on_signals(told.clone());
    if let Some(retention) = service.retention {
        tokio::spawn(retention.run(told.clone()));
    }
    tokio::spawn(sweep_removals(service.router.clone(), told.clone()));
    let (worker, streams) = (service.worker.clone(), service.http.streams.clone());
    let told_at = Arc::new(OnceLock::new());
    let noted = told_at.clone();
    let stop = async move {
        told.cancelled().await;
        let _ = noted.set(Instant::now());
        streams.end();
        tracing::info!(event = "drain_started", runs = worker.active_count(), window = ?drain, "stopping: no new runs are taken");
        worker.drain(drain).await;
    };
    let (postgres, heartbeat) = (service.postgres, service.heartbeat);
    let files = service.router.files().clone();
    let serving = http::serve(listener, http::router(service.http), stop, ServeLimits::default());
    if let Err(error) = requests.run(serving).await {
        return fail(&error);
    }
    ending.cancel();
    if let Some(telling) = telling {
        // The dispatcher limits its own shutdown.
        let _ = telling.await;
    }
    if let Some(reconciler) = service.reconciler.filter(|_| files.is_on_disk()) {
        let gone = told_at.get().map_or(drain, Instant::elapsed);
        flush_files(&reconciler, drain.saturating_sub(gone).max(FLUSH_MIN)).await;
    }
    files.leave().await;
    if let Some(heartbeat) = heartbeat {
        heartbeat.leave().await;
    }
    if let Some(listening) = listening {
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, listening).await;
    }
    if let Some(postgres) = postgres {
        // The server notices a lost client anyway.
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, postgres.close()).await;
    }
    tracing::info!(event = "service_stopped", "stopped");
    ExitCode::SUCCESS
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
