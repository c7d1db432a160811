//! The limits and signals of the process. The first signal requests a clean stop, and the second one ends the
//! process at once.

use tokio_util::sync::CancellationToken;

/// The exit code after a second signal: the run failed, and its stored stages stay.
const EXIT_STOPPED: i32 = 1;

/// Cancels the token at the first SIGINT or SIGTERM, and ends the process at the second.
pub fn cancel_on_signals(cancel: CancellationToken) {
    tokio::spawn(async move {
        next_signal().await;
        cancel.cancel();
        next_signal().await;
        std::process::exit(EXIT_STOPPED);
    });
}

/// Raises the limit of open files as far as the system permits. The target is several times the need of all
/// connections and runs. The usual limit of 1,024 would be too low for them. Returns the limit, if there is one.
pub fn raise_open_files() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        const WANTED: u64 = 65_536;
        let limit = getrlimit(Resource::Nofile);
        let current = limit.maximum.map_or(WANTED, |hard| hard.min(WANTED));
        if limit.current.is_some_and(|soft| soft < current)
            && let Err(error) =
                setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum })
        {
            tracing::warn!(event = "open_files_limit_not_raised", %error, "the limit of open files could not be raised");
        }
        getrlimit(Resource::Nofile).current
    }
    #[cfg(not(unix))]
    None
}

async fn next_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without a handler, wait for ever; the default action ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
