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

use super::StorageError;

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
pub trait Bulletin: Send + Sync + std::fmt::Debug {
    /// Tells all replicas that these runs have changed; `by` is the teller's name, who need not listen to itself.
    async fn announce(&self, by: &str, runs: &[RunId]) -> Result<(), StorageError>;

    /// How far these runs are; one that the database does not know is left out.
    async fn marks(&self, runs: &[RunId]) -> Result<HashMap<RunId, Mark>, StorageError>;
}

/// What is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
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

/// Changes of runs, as this process makes them and hears of them.
#[derive(Debug)]
pub struct Changes {
    name: String,
    waiting: Mutex<HashMap<RunId, Weak<Notify>>>,
    /// What the others are still to be told.
    untold: Mutex<BTreeSet<RunId>>,
    is_untold: Notify,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            name: uuid::Uuid::now_v7().to_string(),
            waiting: Mutex::default(),
            untold: Mutex::default(),
            is_untold: Notify::new(),
        }
    }
}

impl Changes {
    /// What this process is called when it tells others.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// This process has changed a run.
    pub fn made(&self, run: &RunId) {
        self.heard(run);
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone());
        self.is_untold.notify_one();
    }

    /// A run has changed, whoever did it: wakes who waits for it here.
    pub fn heard(&self, run: &RunId) {
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
    pub async fn take_untold(&self) -> Vec<RunId> {
        loop {
            let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
            if !untold.is_empty() {
                return untold.into_iter().collect();
            }
            self.is_untold.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn who_waits_is_woken_and_the_others_are_told_of_our_own_changes_once() {
        let changes = Changes::default();
        let [one, two] = ["one", "two"].map(|run| RunId::parse(run).unwrap());
        let woken = changes.of(&one);
        changes.heard(&two);
        assert!(woken.notified().now_or_never().is_none());
        changes.heard(&one);
        assert!(woken.notified().now_or_never().is_some());
        assert!(changes.take_untold().now_or_never().is_none(), "who told us knows");
        for run in [&two, &one, &two] {
            changes.made(run);
        }
        assert!(woken.notified().now_or_never().is_some());
        assert_eq!(changes.take_untold().now_or_never(), Some(vec![one.clone(), two.clone()]));
        assert!(changes.take_untold().now_or_never().is_none());
        drop(woken);
        drop(changes.of(&two));
        assert_eq!(changes.waiting.lock().unwrap().len(), 1, "handles that are gone are forgotten");
    }
}
