//! Following runs: whoever waits for a run's next change is woken by it, and nobody asks again and again.
//!
//! Each run that somebody follows has one task, which looks when it is woken (by this process' own changes at once, by
//! those of other replicas through the database) and shows all who follow what it saw. One look, every few seconds and for
//! all runs together, finds what nobody told of. Who follows sees how the run stands, not a queue: a slow one misses
//! nothing, and holds nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipeline::run::{RunId, RunStatus};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{QueryError, Runs, events::Progress};
use storage::{
    ChangeNotifier, RunChanges, RunRecord, StorageError, StorageErrorKind, Store as _, router::Router,
};

/// Between two looks at all runs that are followed, while changes are heard of.
const LOOK: Duration = Duration::from_secs(15);

/// The same while nothing is heard: behind a pooler, or while the database is away. As often as a client would
/// ask that follows by asking.
const LOOK_UNHEARD: Duration = Duration::from_secs(3);

/// Between two tellings of the other replicas: what changes meanwhile goes together.
const TELL_INTERVAL: Duration = Duration::from_millis(20);

/// How a run stood when it was looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Nobody has looked yet.
    Nothing,
    Run(Arc<Progress>),
    /// Nobody who knows can be asked.
    Unavailable,
    /// It has been deleted.
    Gone,
}

impl Update {
    fn of(looked: Result<Progress, QueryError>) -> Self {
        match looked {
            Ok(progress) => Self::Run(Arc::new(progress)),
            Err(QueryError::Unavailable(_)) => Self::Unavailable,
            Err(QueryError::Deleted(_) | QueryError::NotFound(_)) => Self::Gone,
        }
    }
}

/// Who follows one run.
#[derive(Debug)]
pub struct RunWatch {
    seen: watch::Receiver<Update>,
}

impl RunWatch {
    /// Waits until the run stands in another way than before.
    pub async fn changed(&mut self) -> Update {
        // The task that shows it lives as long as anybody follows.
        match self.seen.changed().await {
            Ok(()) => self.seen.borrow_and_update().clone(),
            Err(_) => Update::Unavailable,
        }
    }
}

#[derive(Debug)]
struct Followed {
    seen: watch::Sender<Update>,
    woken: Arc<Notify>,
}

/// All who follow runs here, and how this process hears and tells of changes.
#[derive(Debug)]
pub struct RunWatchers {
    runs: Arc<Runs>,
    router: Arc<Router>,
    /// None without a database.
    notifier: Option<Arc<dyn ChangeNotifier>>,
    followed: Mutex<HashMap<RunId, Arc<Followed>>>,
    /// Whether changes that others make are heard of.
    is_hearing: AtomicBool,
    look_now: Notify,
}

impl RunWatchers {
    #[must_use]
    pub fn new(runs: Arc<Runs>, router: Arc<Router>, notifier: Option<Arc<dyn ChangeNotifier>>) -> Self {
        Self {
            runs,
            router,
            notifier,
            followed: Mutex::default(),
            is_hearing: AtomicBool::new(false),
            look_now: Notify::new(),
        }
    }

    /// How far a run is now, and who will be woken by what changes afterwards.
    pub async fn follow(self: &Arc<Self>, run: &RunId) -> Result<(Progress, RunWatch), QueryError> {
        // Before the look: what changes after it wakes.
        let (followed, follower) = self.enter(run);
        let progress = self.runs.progress(run).await?;
        followed.seen.send_if_modified(|seen| {
            if *seen == Update::Nothing {
                *seen = Update::Run(Arc::new(progress.clone()));
            }
            false
        });
        Ok((progress, follower))
    }

    fn enter(self: &Arc<Self>, run: &RunId) -> (Arc<Followed>, RunWatch) {
        let mut all = self.lock();
        if let Some(followed) = all.get(run) {
            return (followed.clone(), RunWatch { seen: followed.seen.subscribe() });
        }
        let followed =
            Arc::new(Followed { seen: watch::Sender::new(Update::Nothing), woken: self.changes().of(run) });
        let follower = RunWatch { seen: followed.seen.subscribe() };
        all.insert(run.clone(), followed.clone());
        drop(all);
        let (watchers, run, watched) = (self.clone(), run.clone(), followed.clone());
        tokio::spawn(async move { watchers.watch(&run, &watched).await });
        (followed, follower)
    }

    /// Looks at a run whenever it is woken, until nobody follows it.
    async fn watch(&self, run: &RunId, followed: &Followed) {
        loop {
            tokio::select! {
                () = followed.seen.closed() => {
                    let mut all = self.lock();
                    // Somebody may have come in this moment.
                    if followed.seen.receiver_count() == 0 {
                        all.remove(run);
                        return;
                    }
                }
                () = followed.woken.notified() => {
                    let now = Update::of(self.runs.progress(run).await);
                    followed.seen.send_if_modified(|seen| {
                        let is_new = *seen != now;
                        *seen = now;
                        is_new
                    });
                }
            }
        }
    }

    /// Tells others of this process' changes and looks for theirs, until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.tell() => {}
            () = self.look() => {}
        }
    }

    /// Takes note of whether changes are heard of; what was missed is looked for at once.
    pub fn set_listening(&self, is_hearing: bool) {
        self.is_hearing.store(is_hearing, Ordering::Relaxed);
        self.look_now.notify_one();
    }

    /// Others say that runs have changed.
    pub fn wake_local(&self, by: &str, runs: &[RunId]) {
        if by != self.changes().name() {
            runs.iter().for_each(|run| self.changes().wake_local(run));
        }
    }

    async fn tell(&self) {
        loop {
            let runs = self.changes().take_unsent().await;
            if let Some(notifier) = self.notifier.as_ref().filter(|_| self.router.is_database_open()) {
                // Past the breaker: what nobody needs must not decide what counts as an outage.
                if let Err(error) = notifier.notify(self.changes().name(), &runs).await {
                    tracing::debug!(event = "change_notification_failed", %error, "other replicas were not told of changes; they look by themselves");
                }
            }
            tokio::time::sleep(TELL_INTERVAL).await;
        }
    }

    async fn look(&self) {
        loop {
            // Without a database nobody tells of changes; nobody but this process makes any, unless its files are shared.
            let is_told = if self.router.uses_database() {
                self.is_hearing.load(Ordering::Relaxed)
            } else {
                self.router.files().is_on_disk()
            };
            let interval = if is_told { LOOK } else { LOOK_UNHEARD };
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = self.look_now.notified() => {}
            }
            self.look_once().await;
        }
    }

    /// Wakes those runs that stand in another way than was last shown, by one question for all of them.
    async fn look_once(&self) {
        let all: Vec<(RunId, Arc<Followed>)> =
            self.lock().iter().map(|(run, followed)| (run.clone(), followed.clone())).collect();
        if all.is_empty() {
            return;
        }
        let runs: Vec<RunId> = all.iter().map(|(run, _)| run.clone()).collect();
        let marks = match self.notifier.as_ref().filter(|_| self.router.is_database_open()) {
            Some(notifier) => notifier.marks(&runs).await.ok(),
            None => None,
        };
        for (run, followed) in all {
            let seen = followed.seen.borrow().clone();
            let is_as_seen = match (&marks, &seen) {
                (Some(marks), Update::Run(progress)) => marks.get(&run) == Some(&progress.mark()),
                _ => false,
            };
            if !is_as_seen {
                followed.woken.notify_one();
            }
        }
    }

    fn changes(&self) -> &RunChanges {
        self.router.changes()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Arc<Followed>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    /// How far a run is, as it is stored.
    pub(super) async fn progress(&self, run_id: &RunId) -> Result<Progress, QueryError> {
        match self.router.load(run_id).await {
            Ok(Some(snapshot)) if self.is_up_to_date(&snapshot) => Ok(Progress::of(snapshot)),
            Ok(Some(_)) => Err(QueryError::Unavailable(StorageError::new(
                StorageErrorKind::Unavailable,
                "the database, which knows how far the run is, is away, and it is worked on elsewhere",
            ))),
            missing => Err(self.why_missing(run_id, missing.err()).await),
        }
    }

    /// Whether a run that only files tell of may be believed: while the database is away, another replica may be far
    /// ahead.
    fn is_up_to_date(&self, snapshot: &RunRecord) -> bool {
        snapshot.stored_in.database
            || snapshot.status != RunStatus::Processing
            || !self.router.uses_database()
            || self.router.is_database_open()
            || self.worker.is_working_on(&snapshot.id)
            || self.router.keeps_all_files()
    }
}
