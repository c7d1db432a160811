//! The loop that reconciles in the background.

use std::{sync::Arc, time::Duration};

use pipeline::run::RunId;
use storage::{
    Lease,
    sync::{ActiveRuns, Reconciler},
};

use crate::worker::Worker;

/// The wait between two passes that nobody asked for. A pass costs one listing of a folder. A run that ended here in files
/// alone must reach the database before its lease there ends, or another replica runs it again.
const INTERVAL: Duration = Duration::from_secs(2);

/// The wait between two searches for runs that are open in files and have ended in the database.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

impl ActiveRuns for Worker {
    fn is_working_on(&self, run: &RunId) -> bool {
        Self::is_working_on(self, run)
    }

    fn lease(&self) -> &Lease {
        Self::lease(self)
    }
}

/// Reconciles whenever there is a reason, for ever. Does nothing while the database is switched off or away.
pub async fn run(reconciler: Arc<Reconciler>) {
    let clock = reconciler.clock();
    let mut swept_at: Option<Duration> = None;
    loop {
        if reconciler.is_database_open() {
            reconciler.pass().await;
            let now = clock.monotonic();
            if swept_at.is_none_or(|at| now.saturating_sub(at) >= SWEEP_INTERVAL) {
                match reconciler.sweep().await {
                    Ok(()) => swept_at = Some(now),
                    Err(error) => {
                        tracing::warn!(event = "files_completion_failed", %error, "failed to bring to the files what only the database has");
                    }
                }
            }
        }
        tokio::select! {
            () = reconciler.woken() => swept_at = None,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}
