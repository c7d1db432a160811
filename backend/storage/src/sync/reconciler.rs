//! The reconciler: what its parts share, and how it calls the database.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::{
    clock::{Clock, Timestamp},
    run::RunId,
};
use tokio::sync::{Notify, Semaphore};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{DurabilityForecast, FileStore},
    ports::sync::{Row, SyncTarget},
    sync::{
        outcome::ReconcileStatus,
        write_path::{ActiveRuns, WritePath},
    },
};

/// The most runs that one statement names.
pub(super) const SWEEP_BATCH: usize = 500;

/// Runs that use the database at once: about half of the default pool, so that live traffic keeps its latency.
const DATABASE_CALLS_MAX: usize = 8;

/// Brings both sides of runs together, in the background and by command.
#[derive(Debug)]
pub struct Reconciler {
    pub(super) write_path: Arc<dyn WritePath>,
    pub(super) target: Arc<dyn SyncTarget>,
    pub(super) clock: Arc<dyn Clock>,
    /// The owner of the leases that reconciliation takes. The worker would renew its own.
    pub(super) owner: String,
    /// None for a command.
    pub(super) active: Option<Arc<dyn ActiveRuns>>,
    /// How long the service keeps the files of ended runs; none: for ever.
    pub(super) retention: Option<Duration>,
    /// Whether a survey rebuilds folders that are gone.
    pub(super) rebuilds: bool,
    /// A fair semaphore, never closed.
    pub(super) calls: Semaphore,
    pub(super) asked: Notify,
    pub(super) status: Mutex<ReconcileStatus>,
    /// Marked runs whose last attempt failed.
    pub(super) failed: Mutex<HashSet<RunId>>,
    /// Runs that the survey could not settle.
    pub(super) survey_failures: AtomicUsize,
    /// When each deferred run may be tried again, and how long it waited the last time.
    pub(super) deferred: Mutex<HashMap<RunId, (Duration, Duration)>>,
    /// The time of the newest tombstone that was read.
    pub(super) tombstones_read_until: Mutex<Option<Timestamp>>,
}

impl Reconciler {
    #[must_use]
    pub fn new(
        write_path: Arc<dyn WritePath>,
        target: Arc<dyn SyncTarget>,
        active: Option<Arc<dyn ActiveRuns>>,
        retention: Option<Duration>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let owner = format!("reconciler-{}", uuid::Uuid::now_v7());
        Self {
            write_path,
            target,
            clock,
            owner,
            active,
            retention,
            rebuilds: true,
            calls: Semaphore::new(DATABASE_CALLS_MAX),
            asked: Notify::new(),
            status: Mutex::default(),
            failed: Mutex::default(),
            survey_failures: AtomicUsize::new(0),
            deferred: Mutex::default(),
            tombstones_read_until: Mutex::default(),
        }
    }

    /// Does not rebuild folders that are gone: the next deploy deletes this disk, so a copy of every row is worth little.
    #[must_use]
    pub fn on_ephemeral_disk(mut self) -> Self {
        self.rebuilds = false;
        self
    }

    /// The state of reconciliation.
    #[must_use]
    pub fn status(&self) -> ReconcileStatus {
        let failed = self.failed.lock().len() + self.survey_failures.load(Ordering::Relaxed);
        ReconcileStatus { failed, ..self.status.lock().clone() }
    }

    /// Asks for a pass over all marked runs now: the database is back, or the flags have changed.
    pub fn wake(&self) {
        self.lock_deferred().clear();
        self.asked.notify_one();
    }

    /// Returns when somebody has asked for a pass.
    pub async fn woken(&self) {
        self.asked.notified().await;
    }

    /// Forecasts what the loss of this reconciler's files would lose.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn durability_forecast(&self) -> Result<DurabilityForecast, StorageError> {
        self.files().durability_forecast(true).await
    }

    /// The clock by which this reconciler waits.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Whether the database may be called now.
    #[must_use]
    pub fn is_database_open(&self) -> bool {
        self.write_path.is_database_open()
    }

    pub(super) fn is_worked_on(&self, run: &RunId) -> bool {
        self.active.as_ref().is_some_and(|active| active.is_working_on(run))
    }

    pub(super) fn files(&self) -> &FileStore {
        self.write_path.files()
    }

    pub(super) async fn read_row(&self, run: &RunId) -> Result<Option<Row>, StorageError> {
        self.call(|target| async { target.read_row(run).await }).await
    }

    /// Calls the database, if its breaker is closed.
    pub(super) async fn call<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a dyn SyncTarget) -> F + Send,
    ) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        let _place = self.calls.acquire().await;
        match self.write_path.database() {
            Some(database) => database.call_queued(|_| call(&*self.target)).await,
            None => Err(StorageError::new(StorageErrorKind::Unavailable, "DATABASE_URL is not set")),
        }
    }
}
