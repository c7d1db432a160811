//! The state of the worker, which its tasks share.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::{failure::RunFailure, run::RunId};
use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    progress::Progress,
    settings::{WorkerConfig, WorkerDeps},
};
use storage::{Fence, router::Router};

/// The state of the worker.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) router: Arc<Router>,
    pub(super) deps: WorkerDeps,
    pub(super) config: WorkerConfig,
    pub(super) slots: Arc<Semaphore>,
    pub(super) active: Mutex<HashMap<RunId, Active>>,
    /// Failures that no store holds yet. Clients see them until a store accepts them.
    pub(super) unstored: Mutex<HashMap<RunId, RunFailure>>,
    pub(super) wake: Notify,
    /// Whether a claim now may find runs for which no notification will come. It is set while a claim runs,
    /// and if the last claim reached its limit. Otherwise, a free slot waits for a notification or the next poll.
    pub(super) may_have_more: AtomicBool,
    /// Another process may have ended a run of this worker.
    pub(super) doubted: Notify,
    /// Until then, by the monotonic clock, no run waits to be alone in this worker.
    pub(super) shared_until: Mutex<Duration>,
    pub(super) tasks: TaskTracker,
    /// The runtime that executes runs, for callers on any runtime.
    pub(super) runtime: Handle,
    /// Stops the claiming of new runs.
    pub(super) draining: CancellationToken,
    /// Stops all runs.
    pub(super) stopping: CancellationToken,
}

/// A run that this process executes.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) fence: Fence,
    /// Another worker owns the run: stop, and write nothing.
    pub(super) lost: CancellationToken,
    pub(super) progress: Arc<Progress>,
}

impl Inner {
    pub(super) fn unstored(&self) -> parking_lot::MutexGuard<'_, HashMap<RunId, RunFailure>> {
        self.unstored.lock()
    }
}
