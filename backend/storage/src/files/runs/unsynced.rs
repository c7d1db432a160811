//! Counts the runs and stages that the database lacks.

use chrono::TimeDelta;
use pipeline::clock::Timestamp;

use crate::{
    error::StorageError,
    files::{
        layout::{MANIFEST_FILE, OPEN_FOLDER, UNSYNCED_FOLDER, in_run},
        manifest::Manifest,
        run_files::RunFiles,
    },
};

/// The most manifests that one count reads, about 10 ms of work. Beyond it, the number of stages is a lower
/// bound.
const READ_MAX: usize = 500;

/// The runs and stages that the database lacks and should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unsynced {
    /// Ended runs.
    pub runs: usize,
    /// Stages of ended and of open runs.
    pub stages: usize,
    /// Whether every manifest was read. Otherwise there may be more stages, and older ones.
    pub is_exact: bool,
    /// The time when the oldest of them was stored here.
    pub oldest_at: Option<Timestamp>,
}

impl Unsynced {
    /// How long the oldest of them has waited.
    #[must_use]
    pub fn oldest_age(&self, now: Timestamp) -> Option<TimeDelta> {
        self.oldest_at.map(|at| (now - at).max(TimeDelta::zero()))
    }
}

impl RunFiles {
    pub(in crate::files) fn unsynced(&self) -> Result<Unsynced, StorageError> {
        let ended = self.markers.marked(UNSYNCED_FOLDER)?;
        let open = self.markers.marked(OPEN_FOLDER)?;
        let is_exact = ended.len() + open.len() <= READ_MAX;
        let mut unsynced = Unsynced { runs: ended.len(), is_exact, ..Unsynced::default() };
        let runs: Vec<_> = ended.iter().chain(&open).take(READ_MAX).collect();
        let names: Vec<String> = runs.iter().map(|run| in_run(run, MANIFEST_FILE)).collect();
        for (run, stored) in runs.into_iter().zip(self.io.backend.read_all(&names)) {
            // An unreadable run must not hide the others. The pass that works on it logs the reason.
            let Ok(Some(stored)) = stored else { continue };
            let Ok(Some(manifest)) = self.manifests.parse(run, stored) else { continue };
            unsynced.stages += manifest.stages.values().filter(|stage| stage.pending_database).count();
            unsynced.oldest_at = [unsynced.oldest_at, since(&manifest)].into_iter().flatten().min();
        }
        Ok(unsynced)
    }
}

/// Since when the database lacks a part of a run.
pub(super) fn since(manifest: &Manifest) -> Option<Timestamp> {
    let stages = manifest.stages.values().filter(|stage| stage.pending_database).map(|stage| stage.stored_at);
    let whole = manifest.database.filter(|side| !side.has_row).map(|_| manifest.accepted_at);
    let end = manifest.database.filter(|side| !side.has_end).and(manifest.finished_at);
    stages.chain(whole).chain(end).min()
}
