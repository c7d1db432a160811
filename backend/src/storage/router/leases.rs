//! The leases that this process holds on rows: of the runs it works on, and of those that it has ended in files alone.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline::run::RunId;

use super::super::Fence;

/// Rows of ended runs whose leases are kept: as many runs as one replica is meant to carry.
const KEPT_MAX: usize = 10_000;

/// The leases of rows that this process holds.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Until when each surely lasts, by the monotonic clock: counted from before the call that gave it.
    until: Mutex<HashMap<RunId, Duration>>,
    /// Of runs that have ended here, and not in their rows yet. Whoever took one of them over would pay for it again.
    kept: Mutex<HashMap<RunId, Fence>>,
}

impl Leases {
    pub(super) fn grant<'a>(&self, runs: impl IntoIterator<Item = &'a RunId>, until: Duration) {
        let mut leases = self.lock();
        for run in runs {
            leases.insert(run.clone(), until);
        }
    }

    pub(super) fn forget(&self, run: &RunId) {
        self.lock().remove(run);
    }

    pub(super) fn lasts(&self, run: &RunId, now: Duration) -> bool {
        self.lock().get(run).is_some_and(|until| now < *until)
    }

    /// Keeps the lease of a run that has ended in files alone, until its row has ended too or is somebody else's.
    pub(super) fn keep(&self, fence: &Fence) {
        let mut kept = self.lock_kept();
        if kept.len() < KEPT_MAX {
            kept.insert(fence.run.clone(), fence.clone());
        }
    }

    pub(super) fn keeps(&self, run: &RunId) -> bool {
        self.lock_kept().contains_key(run)
    }

    pub(super) fn kept(&self) -> Vec<Fence> {
        self.lock_kept().values().cloned().collect()
    }

    /// There is nothing to be kept any more of these.
    pub(super) fn let_go(&self, runs: &[RunId]) {
        let mut kept = self.lock_kept();
        for run in runs {
            kept.remove(run);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Duration>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Fence>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
