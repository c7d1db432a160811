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

/// For how long one is: should the run's files stay unreadable, somebody else has to do it again in the end.
const KEPT_FOR_MAX: Duration = Duration::from_secs(3_600);

/// The leases of rows that this process holds.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Until when each surely lasts, by the monotonic clock: counted from before the call that gave it.
    until: Mutex<HashMap<RunId, Duration>>,
    /// Of runs that have ended here, and not in their rows yet. Whoever took one of them over would pay for it again.
    /// With the time at which each was first kept.
    kept: Mutex<HashMap<RunId, (Fence, Duration)>>,
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

    /// Whether a run's lease surely lasts, or did, at this time.
    pub(super) fn lasted(&self, run: &RunId, at: Duration) -> bool {
        self.lock().get(run).is_some_and(|until| at < *until)
    }

    /// Keeps the lease of a run that has ended in files alone, until its row has ended too or is somebody else's.
    pub(super) fn keep(&self, fence: &Fence, now: Duration) {
        let mut kept = self.lock_kept();
        if kept.len() < KEPT_MAX {
            kept.insert(fence.run.clone(), (fence.clone(), now));
        }
    }

    /// What is kept of a run.
    pub(super) fn kept_of(&self, run: &RunId) -> Option<Fence> {
        self.lock_kept().get(run).map(|(fence, _)| fence.clone())
    }

    /// All that are kept.
    pub(super) fn kept(&self, now: Duration) -> Vec<Fence> {
        let mut kept = self.lock_kept();
        kept.retain(|_, (_, since)| now.saturating_sub(*since) < KEPT_FOR_MAX);
        kept.values().map(|(fence, _)| fence.clone()).collect()
    }

    /// There is nothing to be kept any more of these. What the same run is kept under since is another thing.
    pub(super) fn let_go<'a>(&self, fences: impl IntoIterator<Item = &'a Fence>) {
        let mut kept = self.lock_kept();
        for fence in fences {
            if kept.get(&fence.run).is_some_and(|(current, _)| current == fence) {
                kept.remove(&fence.run);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Duration>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, (Fence, Duration)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
