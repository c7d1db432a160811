//! Signals: the first asks for a clean stop, the second ends the process at once.

use tokio_util::sync::CancellationToken;

/// The exit code after a second signal: the run failed (what was stored stays).
const EXIT_STOPPED: i32 = 1;

/// Cancels the token at the first SIGINT or SIGTERM and ends the process at the second.
pub fn cancel_on_signals(cancel: CancellationToken) {
    tokio::spawn(async move {
        next_signal().await;
        cancel.cancel();
        next_signal().await;
        std::process::exit(EXIT_STOPPED);
    });
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
    // Without a handler there is nothing to wait for, and the default action ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
