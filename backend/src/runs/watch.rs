//! Watches runs: a client that follows a run is woken by its next change and need not poll.
//!
//! Each followed run has one task. A change wakes it: this process's own changes at once, and those of other
//! replicas through the database. It then reads the run and publishes its progress to all followers. Every
//! few seconds, one poll over all followed runs makes up for lost notifications. A follower sees the current
//! progress and not a queue. So a slow follower misses nothing and delays nobody.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use pipeline::run::{RunId, RunStatus};
use tokio::sync::{Notify, watch};

use super::{events::Progress, query::QueryError, service::Runs};
use crate::access::Scope;
use storage::{ChangeNotifier, RunChanges, RunRecord, StorageError, StorageErrorKind, router::Router};

/// The state of a run when it was last read.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Nobody has read the run yet.
    Nothing,
    Run(Arc<Progress>),
    /// No store that may hold the run can be read.
    Unavailable,
    /// The run has been deleted.
    Gone,
}

impl Update {
    fn of(looked: Result<Progress, QueryError>) -> Self {
        match looked {
            Ok(progress) => Self::Run(Arc::new(progress)),
            Err(QueryError::Unavailable(_) | QueryError::NotAlone(..)) => Self::Unavailable,
            Err(QueryError::Deleted(_) | QueryError::NotFound(_)) => Self::Gone,
        }
    }
}

/// A follower of one run.
#[derive(Debug)]
pub struct RunWatch {
    seen: watch::Receiver<Update>,
}

impl RunWatch {
    /// Waits until the run's progress differs from the last one.
    pub async fn changed(&mut self) -> Update {
        // The task that publishes it lives as long as a follower does.
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

/// All followers in this process, and the exchange of changes with other replicas.
#[derive(Debug)]
pub struct RunWatchers {
    runs: Arc<Runs>,
    router: Arc<Router>,
    /// None without a database.
    notifier: Option<Arc<dyn ChangeNotifier>>,
    followed: Mutex<HashMap<RunId, Arc<Followed>>>,
    /// Whether notifications of other replicas arrive.
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

    /// Reads how far a run is, and registers a follower of its later changes.
    ///
    /// # Errors
    ///
    /// As [`Runs::view`].
    pub async fn follow(
        self: &Arc<Self>,
        run: &RunId,
        scope: &Scope,
    ) -> Result<(Progress, RunWatch), QueryError> {
        // Register before the read, so that any later change wakes the follower.
        let (followed, follower) = self.enter(run);
        let progress = self.runs.progress(run, scope).await?;
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

    /// Reads a run whenever it is woken, until nobody follows it.
    async fn watch(&self, run: &RunId, followed: &Followed) {
        loop {
            tokio::select! {
                () = followed.seen.closed() => {
                    let mut all = self.lock();
                    // A new follower may have arrived at this moment.
                    if followed.seen.receiver_count() == 0 {
                        all.remove(run);
                        return;
                    }
                }
                () = followed.woken.notified() => {
                    // Each follower was admitted, and a run keeps its principal.
                    let now = Update::of(self.runs.progress(run, &Scope::All).await);
                    followed.seen.send_if_modified(|seen| {
                        let is_new = *seen != now;
                        *seen = now;
                        is_new
                    });
                }
            }
        }
    }

    /// Records whether notifications arrive, and polls at once for missed changes.
    pub fn set_listening(&self, is_hearing: bool) {
        self.is_hearing.store(is_hearing, Ordering::Relaxed);
        self.look_now.notify_one();
    }

    /// Handles another replica's notification of changed runs.
    pub fn wake_local(&self, by: &str, runs: &[RunId]) {
        if by != self.changes().name() {
            runs.iter().for_each(|run| self.changes().wake_local(run));
        }
    }

    /// Waits until this process has changed runs that the other replicas do not know of, and takes them.
    pub async fn take_unsent(&self) -> Vec<RunId> {
        self.changes().take_unsent().await
    }

    /// Notifies the other replicas of these changed runs. Returns false while the database is switched off or
    /// away.
    ///
    /// # Errors
    ///
    /// The errors of the database. The other replicas poll.
    pub async fn publish(&self, runs: &[RunId]) -> Result<bool, StorageError> {
        let Some(notifier) = self.notifier.as_ref().filter(|_| self.router.is_database_open()) else {
            return Ok(false);
        };
        // Bypass the breaker: optional calls must not decide about an outage.
        notifier.notify(self.changes().name(), runs).await?;
        Ok(true)
    }

    /// Whether this process hears of all changes. Without a database there are no notifications. Then only this
    /// process changes runs, unless the files are shared.
    #[must_use]
    pub fn hears_changes(&self) -> bool {
        if self.router.uses_database() {
            self.is_hearing.load(Ordering::Relaxed)
        } else {
            self.router.files().is_on_disk()
        }
    }

    /// Returns when a poll must not wait for its time.
    pub async fn poll_requested(&self) {
        self.look_now.notified().await;
    }

    /// Wakes the followed runs whose progress has changed, with one query for all of them. Returns how
    /// many runs are followed.
    pub async fn poll(&self) -> usize {
        let all: Vec<(RunId, Arc<Followed>)> =
            self.lock().iter().map(|(run, followed)| (run.clone(), followed.clone())).collect();
        if all.is_empty() {
            return 0;
        }
        let count = all.len();
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
        count
    }

    fn changes(&self) -> &RunChanges {
        self.router.changes()
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<RunId, Arc<Followed>>> {
        self.followed.lock()
    }
}

impl Runs {
    /// Reads how far a run is.
    pub(super) async fn progress(&self, run_id: &RunId, scope: &Scope) -> Result<Progress, QueryError> {
        let snapshot = self.find(run_id, scope).await?;
        if self.is_up_to_date(&snapshot) {
            return Ok(Progress::of(snapshot));
        }
        Err(QueryError::Unavailable(StorageError::new(
            StorageErrorKind::Unavailable,
            "the database is down, and another replica may have continued the run",
        )))
    }

    /// Whether a run that only the files hold may be shown. While the database is down, another replica may
    /// be far ahead.
    fn is_up_to_date(&self, snapshot: &RunRecord) -> bool {
        snapshot.stored_in.database
            || snapshot.status != RunStatus::Processing
            || !self.router.uses_database()
            || self.router.is_database_open()
            || self.worker.is_working_on(&snapshot.id)
            || self.router.keeps_all_files()
    }
}
