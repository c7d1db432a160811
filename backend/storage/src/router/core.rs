//! The router's parts: its stores, the runs under way, and the questions about both.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::{
    clock::Clock,
    run::{RunId, Stage},
};
use tokio::sync::watch;

use crate::{
    database::Database,
    error::StorageError,
    files::FileStore,
    mode::{Flags, Mode},
    observer::{StorageObserver, Unobserved},
    ports::{changes::RunChanges, lifecycle::Fence},
    router::{
        connectivity::ConnectivityTracker, leases::Leases, poll_limiter::PollLimiter,
        presence::ReplicaPresence,
    },
    run::RunSubmission,
};

/// The operator's settings for the router.
#[derive(Debug, Clone)]
pub struct RouterConfig {
    /// How long an output is kept in memory and retried if the only store fails.
    pub retry_deadline: Duration,
    /// Whether other replicas run, which decides whether a file guards against a second execution.
    pub presence: Arc<ReplicaPresence>,
}

/// Routes every call by the current mode.
#[derive(Debug)]
pub struct Router {
    pub(super) files: FileStore,
    pub(super) database: Option<Database>,
    pub(super) flags: watch::Receiver<Flags>,
    pub(super) config: RouterConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn StorageObserver>,
    /// Since when the database has answered.
    pub(super) connectivity: ConnectivityTracker,
    /// Since when the mode has had no database.
    pub(super) disabled_since: Mutex<Option<Duration>>,
    /// The failure of the last file write, until one succeeds.
    pub(super) file_alarm: Mutex<Option<String>>,
    /// The runs that this process works on. A store that receives a run for the first time, after a change of
    /// mode or an outage, needs their requests.
    pub(super) active: Mutex<HashMap<RunId, ActiveRun>>,
    /// The active runs whose files lack a stage that the row has.
    pub(super) files_incomplete: Mutex<HashSet<RunId>>,
    pub(super) leases: Leases,
    pub(super) changes: Arc<RunChanges>,
    /// One limiter for finding work, one for finding runs that others ended.
    pub(super) poll_limiters: [PollLimiter; 2],
}

/// A run that this process works on.
#[derive(Debug, Clone)]
pub(super) struct ActiveRun {
    pub(super) fence: Fence,
    pub(super) new: Arc<RunSubmission>,
    /// Whether this process owns the row under the fence.
    pub(super) owns_row: bool,
    /// The stages that the row surely has.
    pub(super) in_row: HashSet<Stage>,
}

impl Router {
    #[must_use]
    pub fn new(
        files: FileStore,
        database: Option<Database>,
        flags: watch::Receiver<Flags>,
        config: RouterConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            files,
            database,
            flags,
            config,
            clock,
            observer: Arc::new(Unobserved),
            connectivity: ConnectivityTracker::default(),
            disabled_since: Mutex::default(),
            file_alarm: Mutex::default(),
            active: Mutex::default(),
            files_incomplete: Mutex::default(),
            leases: Leases::default(),
            changes: Arc::default(),
            poll_limiters: Default::default(),
        }
    }

    /// Sets the observer that receives this router's figures.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn StorageObserver>) -> Self {
        Self { observer, ..self }
    }

    /// A router that uses files only, whatever the flags say, for commands.
    #[must_use]
    pub fn files_only(files: FileStore, clock: Arc<dyn Clock>) -> Self {
        let flags = Flags { database_writes: false, file_fallback: true, revision: 0 };
        let config = RouterConfig {
            retry_deadline: Duration::ZERO,
            presence: Arc::new(ReplicaPresence::new(Some(true))),
        };
        Self::new(files, None, watch::channel(flags).1, config, clock)
    }

    /// The receiver of this router's figures.
    #[must_use]
    pub fn observer(&self) -> &dyn StorageObserver {
        &*self.observer
    }

    /// The part that publishes changes of runs.
    #[must_use]
    pub fn changes(&self) -> &Arc<RunChanges> {
        &self.changes
    }

    /// Whether files guard against a second execution: no other replica runs, or all replicas use the same
    /// files.
    pub(super) fn has_global_claim(&self) -> bool {
        self.config.presence.is_alone() || self.files.has_shared_create_if_absent()
    }

    /// The current flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        *self.flags.borrow()
    }

    /// The file store of this router.
    #[must_use]
    pub fn files(&self) -> &FileStore {
        &self.files
    }

    /// The database of this router, if there is one.
    #[must_use]
    pub fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Since when the current mode has had no database, as far as this process has noticed. It checks several
    /// times a second.
    pub(super) fn database_disabled_since(&self) -> Option<Duration> {
        let mut disabled_since = self.disabled_since.lock();
        if self.mode().has_database() {
            *disabled_since = None;
        } else {
            disabled_since.get_or_insert_with(|| self.clock.monotonic());
        }
        *disabled_since
    }

    /// The configured mode, or `FILE_ONLY` without a database.
    pub(super) fn mode(&self) -> Mode {
        let mode = self.flags().mode();
        if mode.has_database() && self.database.is_none() { Mode::FileOnly } else { mode }
    }

    /// The database, if it may be called: the mode has it, and its breaker is closed.
    pub(super) fn open_database(&self, mode: Mode) -> Option<&Database> {
        self.database.as_ref().filter(|database| mode.has_database() && database.breaker.is_closed())
    }

    /// Remembers a run's request while this process works on it.
    pub fn register_active(&self, fence: &Fence, new: RunSubmission, in_row: HashSet<Stage>) {
        let active = ActiveRun { fence: fence.clone(), new: Arc::new(new), owns_row: fence.owns_row, in_row };
        self.lock_active().insert(fence.run.clone(), active);
    }

    /// Forgets a run that this process no longer works on.
    pub fn forget(&self, run: &RunId) {
        self.lock_active().remove(run);
        self.lock_incomplete().remove(run);
        self.leases.forget(run);
        self.files.forget(run);
    }

    /// Records that the run's files lack a stage which its row has.
    pub(super) fn note_files_incomplete(&self, run: &RunId) {
        self.lock_incomplete().insert(run.clone());
    }

    pub(super) fn are_files_incomplete(&self, run: &RunId) -> bool {
        self.lock_incomplete().contains(run)
    }

    pub(super) fn lock_incomplete(&self) -> parking_lot::MutexGuard<'_, HashSet<RunId>> {
        self.files_incomplete.lock()
    }

    pub(super) fn note_in_row(&self, run: &RunId, stage: Stage) {
        if let Some(active) = self.lock_active().get_mut(run) {
            active.in_row.insert(stage);
        }
    }

    pub(super) fn active(&self, run: &RunId) -> Option<ActiveRun> {
        self.lock_active().get(run).cloned()
    }

    pub(super) fn owns_row(&self, fence: &Fence) -> bool {
        fence.owns_row || self.active(&fence.run).is_some_and(|active| active.owns_row)
    }

    pub(super) fn lock_active(&self) -> parking_lot::MutexGuard<'_, HashMap<RunId, ActiveRun>> {
        self.active.lock()
    }

    pub(super) fn note_file<T>(&self, result: &Result<T, StorageError>) {
        match result {
            Ok(_) => *self.alarm() = None,
            Err(error) if error.is_outage() => {
                self.observer.file_write_failed();
                *self.alarm() = Some(error.message.clone());
            }
            Err(_) => {}
        }
    }

    pub(super) fn alarm(&self) -> parking_lot::MutexGuard<'_, Option<String>> {
        self.file_alarm.lock()
    }
}
