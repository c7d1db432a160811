//! The leases that this process holds on rows: of active runs, and of runs that it ended in files alone.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use pipeline::run::RunId;

use crate::ports::lifecycle::Fence;

/// The most retained leases. One replica should not carry more ended runs.
const RETAINED_MAX: usize = 10_000;

/// How long a lease is retained. If the run's files stay unreadable, another worker must execute the run
/// again in the end.
const RETAINED_FOR_MAX: Duration = Duration::from_secs(3_600);

/// The leases on rows that this process holds.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// Until when each lease is surely valid, by the monotonic clock. It counts from before the call that
    /// granted it.
    until: Mutex<HashMap<RunId, Duration>>,
    /// How long the shortest granted lease lasts.
    shortest: Mutex<Option<Duration>>,
    /// Leases of runs that ended here while their rows stay open, each with the time of its retention.
    /// Another worker that claimed such a run would pay for it again.
    retained: Mutex<HashMap<RunId, (Fence, Duration)>>,
}

impl Leases {
    /// Notes leases that were asked for at this time of the monotonic clock.
    pub(super) fn grant<'a>(
        &self,
        runs: impl IntoIterator<Item = &'a RunId>,
        began: Duration,
        duration: Duration,
    ) {
        let mut shortest = self.shortest.lock();
        *shortest = Some(shortest.map_or(duration, |known| known.min(duration)));
        drop(shortest);
        let mut leases = self.lock();
        for run in runs {
            leases.insert(run.clone(), began + duration);
        }
    }

    /// How long the shortest lease lasts. None before the first.
    pub(super) fn shortest(&self) -> Option<Duration> {
        *self.shortest.lock()
    }

    pub(super) fn forget(&self, run: &RunId) {
        self.lock().remove(run);
    }

    /// Whether a run's lease was surely valid at this time.
    pub(super) fn lasted(&self, run: &RunId, at: Duration) -> bool {
        self.lock().get(run).is_some_and(|until| at < *until)
    }

    /// Retains the lease of a run that ended in files alone, until its row has ended too or another worker
    /// owns it.
    pub(super) fn retain(&self, fence: &Fence, now: Duration) {
        let mut retained = self.lock_retained();
        if retained.len() < RETAINED_MAX {
            retained.insert(fence.run.clone(), (fence.clone(), now));
        }
    }

    /// The retained lease of a run.
    pub(super) fn retained_of(&self, run: &RunId) -> Option<Fence> {
        self.lock_retained().get(run).map(|(fence, _)| fence.clone())
    }

    /// All retained leases.
    pub(super) fn retained(&self, now: Duration) -> Vec<Fence> {
        let mut retained = self.lock_retained();
        retained.retain(|_, (_, since)| now.saturating_sub(*since) < RETAINED_FOR_MAX);
        retained.values().map(|(fence, _)| fence.clone()).collect()
    }

    /// Stops renewing these leases. A newer lease on the same run stays.
    pub(super) fn stop_retaining<'a>(&self, fences: impl IntoIterator<Item = &'a Fence>) {
        let mut retained = self.lock_retained();
        for fence in fences {
            if retained.get(&fence.run).is_some_and(|(current, _)| current == fence) {
                retained.remove(&fence.run);
            }
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<RunId, Duration>> {
        self.until.lock()
    }

    fn lock_retained(&self) -> parking_lot::MutexGuard<'_, HashMap<RunId, (Fence, Duration)>> {
        self.retained.lock()
    }
}
