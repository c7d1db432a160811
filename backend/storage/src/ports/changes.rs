//! Who is told that a run has changed: those who wait for it in this process at once, other replicas a moment later,
//! through the database.
//!
//! Only *that* something changed is told, never what: whoever is told looks. So telling twice does no harm, and what was
//! not told is found by a slow look.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use pipeline::run::{RunId, RunStatus};
use tokio::sync::Notify;

use crate::error::StorageError;

/// How far a run is, in so few words that it can be asked of many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub generation: i32,
    pub status: RunStatus,
    /// How many stages are stored.
    pub stages: usize,
}

/// A database through which replicas tell each other.
#[async_trait]
pub trait ChangeNotifier: Send + Sync + std::fmt::Debug {
    /// Tells all replicas that these runs have changed; `by` is the teller's name, who need not listen to itself.
    async fn notify(&self, by: &str, runs: &[RunId]) -> Result<(), StorageError>;

    /// How far these runs are; one that the database does not know is left out.
    async fn marks(&self, runs: &[RunId]) -> Result<HashMap<RunId, Mark>, StorageError>;
}

/// What is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// Listening, from now on: of what came before, nobody told us.
    Connected,
    /// Nothing is heard any more, for a while.
    Lost,
    /// There may be a run to claim.
    Waiting,
    /// A run was cancelled; it may have been retried since.
    Cancelled(RunId),
    /// Somebody has changed runs.
    Changed { by: String, runs: Vec<RunId> },
}

/// RunChanges of runs, as this process makes them and hears of them.
#[derive(Debug)]
pub struct RunChanges {
    name: String,
    waiting: Mutex<HashMap<RunId, Weak<Notify>>>,
    /// What the others are still to be told.
    unsent: Mutex<BTreeSet<RunId>>,
    has_unsent: Notify,
}

impl Default for RunChanges {
    fn default() -> Self {
        Self {
            name: uuid::Uuid::now_v7().to_string(),
            waiting: Mutex::default(),
            unsent: Mutex::default(),
            has_unsent: Notify::new(),
        }
    }
}

impl RunChanges {
    /// What this process is called when it tells others.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// This process has changed a run.
    pub fn publish(&self, run: &RunId) {
        self.wake_local(run);
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone());
        self.has_unsent.notify_one();
    }

    /// A run has changed, whoever did it: wakes who waits for it here.
    pub fn wake_local(&self, run: &RunId) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = waiting.get(run).and_then(Weak::upgrade) {
            waiting.notify_one();
        }
    }

    /// Wakes whoever waits for this run from now on, as long as the handle lives. One handle a run.
    #[must_use]
    pub fn of(&self, run: &RunId) -> Arc<Notify> {
        let woken = Arc::new(Notify::new());
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, woken| woken.strong_count() > 0);
        waiting.insert(run.clone(), Arc::downgrade(&woken));
        woken
    }

    /// Waits until there is something that the others are to be told, and takes it.
    pub async fn take_unsent(&self) -> Vec<RunId> {
        loop {
            let unsent = std::mem::take(&mut *self.unsent.lock().unwrap_or_else(PoisonError::into_inner));
            if !unsent.is_empty() {
                return unsent.into_iter().collect();
            }
            self.has_unsent.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn who_waits_is_woken_and_the_others_are_told_of_our_own_changes_once() {
        let changes = RunChanges::default();
        let [one, two] = ["one", "two"].map(|run| RunId::parse(run).unwrap());
        let woken = changes.of(&one);
        changes.wake_local(&two);
        assert!(woken.notified().now_or_never().is_none());
        changes.wake_local(&one);
        assert!(woken.notified().now_or_never().is_some());
        assert!(changes.take_unsent().now_or_never().is_none(), "who told us knows");
        for run in [&two, &one, &two] {
            changes.publish(run);
        }
        assert!(woken.notified().now_or_never().is_some());
        assert_eq!(changes.take_unsent().now_or_never(), Some(vec![one.clone(), two.clone()]));
        assert!(changes.take_unsent().now_or_never().is_none());
        drop(woken);
        drop(changes.of(&two));
        assert_eq!(changes.waiting.lock().unwrap().len(), 1, "handles that are gone are forgotten");
    }
}
