//! The runs that this process works on. A store that receives a run for the first time, after a change of mode or
//! an outage, needs their requests.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::{Mutex, MutexGuard};
use pipeline::run::{RunId, Stage};

use crate::{ports::lifecycle::Fence, run::RunSubmission};

/// A run that this process works on.
#[derive(Debug, Clone)]
pub(super) struct ActiveRun {
    pub(super) fence: Fence,
    pub(super) new: Arc<RunSubmission>,
    /// Whether this process owns the row under the fence.
    pub(super) owns_row: bool,
    /// The stages that the row surely has.
    pub(super) in_row: HashSet<Stage>,
    /// Whether the files know a later claim or end, which the row does not know yet.
    pub(super) is_lost_in_files: bool,
}

/// The runs that this process works on.
#[derive(Debug, Default)]
pub(super) struct ActiveRuns {
    runs: Mutex<HashMap<RunId, ActiveRun>>,
    /// The active runs whose files lack a stage that the row has, and whether the files know that.
    files_incomplete: Mutex<HashMap<RunId, bool>>,
}

impl ActiveRuns {
    pub(super) fn register(&self, fence: &Fence, new: RunSubmission, in_row: HashSet<Stage>) {
        let active = ActiveRun {
            fence: fence.clone(),
            new: Arc::new(new),
            owns_row: fence.owns_row,
            in_row,
            is_lost_in_files: false,
        };
        self.lock().insert(fence.run.clone(), active);
    }

    pub(super) fn forget(&self, run: &RunId) {
        self.lock().remove(run);
        self.lock_incomplete().remove(run);
    }

    pub(super) fn get(&self, run: &RunId) -> Option<ActiveRun> {
        self.lock().get(run).cloned()
    }

    /// Whether this process owns the run's row under the fence.
    pub(super) fn owns_row(&self, fence: &Fence) -> bool {
        fence.owns_row || self.lock().get(&fence.run).is_some_and(|active| active.owns_row)
    }

    /// Records that this process owns the run's row.
    pub(super) fn note_owns_row(&self, run: &RunId) {
        if let Some(active) = self.lock().get_mut(run) {
            active.owns_row = true;
        }
    }

    /// Records that the run's row has the stage.
    pub(super) fn note_in_row(&self, run: &RunId, stage: Stage) {
        if let Some(active) = self.lock().get_mut(run) {
            active.in_row.insert(stage);
        }
    }

    /// Records that the files know a later claim or end of the run.
    pub(super) fn note_lost_in_files(&self, fence: &Fence) {
        if let Some(active) = self.lock().get_mut(&fence.run).filter(|active| active.fence == *fence) {
            active.is_lost_in_files = true;
        }
    }

    pub(super) fn is_lost_in_files(&self, fence: &Fence) -> bool {
        self.lock().get(&fence.run).is_some_and(|active| active.is_lost_in_files && active.fence == *fence)
    }

    /// Records that the run's files lack a stage that its row has.
    pub(super) fn note_files_incomplete(&self, run: &RunId) {
        self.lock_incomplete().entry(run.clone()).or_insert(false);
    }

    pub(super) fn are_files_incomplete(&self, run: &RunId) -> bool {
        self.lock_incomplete().contains_key(run)
    }

    /// Records that the run's manifest says that the row is ahead.
    pub(super) fn note_files_told(&self, run: &RunId) {
        self.lock_incomplete().insert(run.clone(), true);
    }

    /// Whether the run's manifest says that the row is ahead.
    pub(super) fn are_files_told(&self, run: &RunId) -> bool {
        self.lock_incomplete().get(run).is_some_and(|told| *told)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, ActiveRun>> {
        self.runs.lock()
    }

    fn lock_incomplete(&self) -> MutexGuard<'_, HashMap<RunId, bool>> {
        self.files_incomplete.lock()
    }
}
