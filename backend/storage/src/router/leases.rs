//! The leases that this process holds on rows: of the runs it works on, and of those that it has ended in files alone.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline::run::RunId;

use crate::ports::lifecycle::Fence;

/// Rows of ended runs whose leases are kept: as many runs as one replica is meant to carry.
const RETAINED_MAX: usize = 10_000;

/// For how long one is: should the run's files stay unreadable, somebody else has to do it again in the end.
const RETAINED_FOR_MAX: Duration = Duration::from_secs(3_600);

/// The leases of rows that this process holds.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Until when each surely lasts, by the monotonic clock: counted from before the call that gave it.
    until: Mutex<HashMap<RunId, Duration>>,
    /// Of runs that have ended here, and not in their rows yet. Whoever took one of them over would pay for it again.
    /// With the time at which each was first kept.
    retained: Mutex<HashMap<RunId, (Fence, Duration)>>,
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
    pub(super) fn retain(&self, fence: &Fence, now: Duration) {
        let mut retained = self.lock_retained();
        if retained.len() < RETAINED_MAX {
            retained.insert(fence.run.clone(), (fence.clone(), now));
        }
    }

    /// What is kept of a run.
    pub(super) fn retained_of(&self, run: &RunId) -> Option<Fence> {
        self.lock_retained().get(run).map(|(fence, _)| fence.clone())
    }

    /// All that are kept.
    pub(super) fn retained(&self, now: Duration) -> Vec<Fence> {
        let mut retained = self.lock_retained();
        retained.retain(|_, (_, since)| now.saturating_sub(*since) < RETAINED_FOR_MAX);
        retained.values().map(|(fence, _)| fence.clone()).collect()
    }

    /// There is nothing to be kept any more of these. What the same run is kept under since is another thing.
    pub(super) fn stop_retaining<'a>(&self, fences: impl IntoIterator<Item = &'a Fence>) {
        let mut retained = self.lock_retained();
        for fence in fences {
            if retained.get(&fence.run).is_some_and(|(current, _)| current == fence) {
                retained.remove(&fence.run);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Duration>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_retained(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, (Fence, Duration)>> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
