//! The runs of this process that wait for another run's answer, for their clients.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use pipeline::{clock::Timestamp, run::RunId};

/// The waiting runs, each with the begin of its wait. There are at most as many as the worker has places.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits(Arc<Mutex<HashMap<RunId, Timestamp>>>);

/// A wait. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Wait {
    waits: Waits,
    run: RunId,
}

impl Waits {
    pub(super) fn begin(&self, run: &RunId, now: Timestamp) -> Wait {
        self.0.lock().entry(run.clone()).or_insert(now);
        Wait { waits: self.clone(), run: run.clone() }
    }

    pub(super) fn since(&self, run: &RunId) -> Option<Timestamp> {
        self.0.lock().get(run).copied()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waits.0.lock().remove(&self.run);
    }
}
