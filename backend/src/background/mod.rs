//! Background work: one driver starts, repeats, delays and stops every task, and remembers how its last pass went.
//!
//! A [`Task`] says what one pass does and how often it runs; `tasks/` has one file for each. `GET /health/deep` shows all
//! of them. The worker's claim loop is no task: it decides itself when it has room for more work.
//!
//! # Invariants
//!
//! * A task never runs two passes at once.
//! * A task that fails logs its first failure and its recovery, and nothing in between.
//! * A task ends with its [`Lifetime`], whatever its passes do.

mod driver;
mod outcome;
mod status;
mod task;
pub mod tasks;

use std::sync::Arc;

use parking_lot::Mutex;
use pipeline::clock::Clock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::status::StatusCell;
pub use self::{
    driver::drive,
    outcome::{Outcome, TaskError},
    status::{TaskState, TaskStatus},
    task::{Pass, Schedule, Task},
};

/// How long a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until the process receives its stop signal: work that the next process continues.
    Signal,
    /// Until the last run has ended or was released: other replicas and the frontend hear of each end.
    Runs,
    /// Until the process exits.
    Process,
}

/// All background tasks of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Background {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Arc<dyn Clock>,
    statuses: Mutex<Vec<Arc<StatusCell>>>,
    signal: CancellationToken,
    runs: CancellationToken,
    process: CancellationToken,
}

impl Background {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            clock,
            statuses: Mutex::default(),
            signal: CancellationToken::new(),
            runs: CancellationToken::new(),
            process: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts a task on the runtime that this is called in. The handle ends with the task.
    pub fn start(&self, lifetime: Lifetime, task: impl Task) -> JoinHandle<()> {
        let status = Arc::new(StatusCell::new(task.name(), self.inner.clock.clone()));
        self.inner.statuses.lock().push(status.clone());
        tokio::spawn(driver::run(task, self.token(lifetime).clone(), status))
    }

    /// The token that ends all tasks of this lifetime.
    #[must_use]
    pub fn token(&self, lifetime: Lifetime) -> &CancellationToken {
        match lifetime {
            Lifetime::Signal => &self.inner.signal,
            Lifetime::Runs => &self.inner.runs,
            Lifetime::Process => &self.inner.process,
        }
    }

    /// Asks all tasks of this lifetime to end.
    pub fn stop(&self, lifetime: Lifetime) {
        self.token(lifetime).cancel();
    }

    /// How each task stands, in the order of their start. Reasons of failures name addresses and paths; only
    /// `with_reasons` shows them.
    #[must_use]
    pub fn statuses(&self, with_reasons: bool) -> Vec<TaskStatus> {
        self.inner.statuses.lock().iter().map(|status| status.show(with_reasons)).collect()
    }
}
