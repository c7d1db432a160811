//! The router's parts: its stores, the runs under way, and the questions about both.

use std::{collections::HashSet, sync::Arc, time::Duration};

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
    ports::{batches::Batches, changes::RunChanges, lifecycle::Fence},
    router::{
        active_runs::ActiveRuns, connectivity::ConnectivityTracker, file_alarm::FileAlarm, leases::Leases,
        poll_limiter::PollLimiter, presence::ReplicaPresence,
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

/// A time without database by the operator's flags, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disabled {
    since: Duration,
    /// The last look at the flags.
    looked: Duration,
}

/// Routes every call by the current mode.
#[derive(Debug)]
pub struct Router {
    pub(super) files: FileStore,
    pub(super) database: Option<Database>,
    /// None without a database, and in commands.
    pub(super) batches: Option<Arc<dyn Batches>>,
    pub(super) flags: watch::Receiver<Flags>,
    pub(super) config: RouterConfig,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn StorageObserver>,
    /// Since when the database has answered.
    pub(super) connectivity: ConnectivityTracker,
    /// Since when the mode has had no database.
    pub(super) disabled: Mutex<Option<Disabled>>,
    pub(super) file_alarm: FileAlarm,
    /// The runs that this process works on. A store that receives a run for the first time, after a change of
    /// mode or an outage, needs their requests.
    pub(super) active: ActiveRuns,
    pub(super) leases: Leases,
    pub(super) changes: Arc<RunChanges>,
    /// One limiter for finding work, one for finding runs that others ended.
    pub(super) poll_limiters: [PollLimiter; 2],
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
            batches: None,
            flags,
            config,
            clock,
            observer: Arc::new(Unobserved),
            connectivity: ConnectivityTracker::default(),
            disabled: Mutex::default(),
            file_alarm: FileAlarm::default(),
            active: ActiveRuns::default(),
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
        let flags = Flags::of_mode(Mode::FileOnly, 0);
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

    /// Since when the current mode has surely had no database. This process looks several times a second. If
    /// it was paused for longer than a lease, the mode may have changed twice meanwhile, and another replica
    /// may have claimed its runs: the time counts anew.
    pub(super) fn database_disabled_since(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        let mut disabled = self.disabled.lock();
        *disabled = if self.mode().has_database() {
            None
        } else {
            let seen = disabled.filter(|seen| {
                self.leases.shortest().is_none_or(|lease| now.saturating_sub(seen.looked) < lease)
            });
            Some(Disabled { since: seen.map_or(now, |seen| seen.since), looked: now })
        };
        disabled.map(|disabled| disabled.since)
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
        self.active.register(fence, new, in_row);
    }

    /// The request of a run that this process works on, whatever the stores do.
    #[must_use]
    pub fn active_request(&self, run: &RunId) -> Option<Arc<RunSubmission>> {
        self.active.get(run).map(|active| active.new)
    }

    /// Forgets a run that this process no longer works on.
    pub fn forget(&self, run: &RunId) {
        self.active.forget(run);
        self.leases.forget(run);
        self.files.forget(run);
    }

    /// Records how a file write ended.
    pub(super) fn note_file<T>(&self, result: &Result<T, StorageError>) {
        self.file_alarm.note(result, &*self.observer);
    }
}
