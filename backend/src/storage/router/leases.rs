//! Until when this process's leases surely last, by its own clock: counted from before each call that gave one.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline::run::RunId;

/// The leases of rows that this process holds, each with its end by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<RunId, Duration>>);

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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
