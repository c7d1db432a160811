//! Publishes that a run has changed: to waiters in this process at once, to other replicas through the
//! database.
//!
//! A notification says only that a run changed, and the receiver reads the run. So a duplicate does no harm,
//! and a slow poll makes up for a lost one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pipeline::run::{RunId, RunStatus};
use tokio::sync::Notify;

use crate::error::StorageError;

/// How far a run is, in a form that is cheap to read for many runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub generation: i32,
    pub status: RunStatus,
    /// The number of stored stages.
    pub stages: usize,
}

/// A database through which replicas notify each other.
#[async_trait]
pub trait ChangeNotifier: Send + Sync + std::fmt::Debug {
    /// Notifies all replicas that these runs have changed. `by` names the sender, which ignores its own
    /// notifications.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn notify(&self, by: &str, runs: &[RunId]) -> Result<(), StorageError>;

    /// Reads how far these runs are, and omits runs without a row.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the database cannot be reached. `Indeterminate` if it does not answer in time.
    async fn marks(&self, runs: &[RunId]) -> Result<HashMap<RunId, Mark>, StorageError>;
}

/// A notification from the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// The listener is connected. It missed earlier notifications.
    Connected,
    /// The listener has lost its connection.
    Lost,
    /// Somebody has made or ended a key of the API.
    KeysChanged,
    /// A run may be claimable.
    Waiting,
    /// A run was cancelled. It may have been retried since.
    Cancelled(RunId),
    /// Somebody has changed a flag in the database.
    FlagsChanged,
    /// Another replica has changed runs.
    Changed { by: String, runs: Vec<RunId> },
}

/// The changes of runs, by this process and by others.
#[derive(Debug)]
pub struct RunChanges {
    name: String,
    waiting: Mutex<HashMap<RunId, Weak<Notify>>>,
    /// Changes that the other replicas have not received.
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
    /// This process's name as a sender.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Publishes a run that this process has changed.
    pub fn publish(&self, run: &RunId) {
        self.wake_local(run);
        self.unsent.lock().insert(run.clone());
        self.has_unsent.notify_one();
    }

    /// Wakes the waiter for a run in this process. Any process may have changed it.
    pub fn wake_local(&self, run: &RunId) {
        let waiting = self.waiting.lock();
        if let Some(waiting) = waiting.get(run).and_then(Weak::upgrade) {
            waiting.notify_one();
        }
    }

    /// Returns a handle that is woken when this run changes, while the handle lives. One handle per run.
    #[must_use]
    pub fn of(&self, run: &RunId) -> Arc<Notify> {
        let woken = Arc::new(Notify::new());
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, woken| woken.strong_count() > 0);
        waiting.insert(run.clone(), Arc::downgrade(&woken));
        woken
    }

    /// Waits until there are unsent changes, and takes them.
    pub async fn take_unsent(&self) -> Vec<RunId> {
        loop {
            let unsent = std::mem::take(&mut *self.unsent.lock());
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
    fn a_change_wakes_waiters_and_is_published_once() {
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
        assert_eq!(changes.waiting.lock().len(), 1, "handles that are gone are forgotten");
    }
}
