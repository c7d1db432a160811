//! How much the database lacks.

use chrono::TimeDelta;
use pipeline::clock::Timestamp;

use crate::{
    error::StorageError,
    files::{
        layout::{MANIFEST_FILE, OPEN_FOLDER, UNSYNCED_FOLDER},
        manifest::Manifest,
        run_files::RunFiles,
    },
};

/// Manifests that one look reads: beyond it the number of stages is a lower bound. A hundredth of a second's work.
const READ_MAX: usize = 500;

/// What the database is meant to have and lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unsynced {
    /// Ended runs.
    pub runs: usize,
    /// Stages of ended and of open runs.
    pub stages: usize,
    /// Whether every manifest was read; otherwise there may be more stages, and older ones.
    pub is_exact: bool,
    /// When the oldest of it was stored here.
    pub oldest_at: Option<Timestamp>,
}

impl Unsynced {
    /// How long the oldest has waited.
    #[must_use]
    pub fn oldest_age(&self, now: Timestamp) -> Option<TimeDelta> {
        self.oldest_at.map(|at| (now - at).max(TimeDelta::zero()))
    }
}

impl RunFiles {
    pub(in crate::files) fn unsynced(&self) -> Result<Unsynced, StorageError> {
        let ended = self.marked(UNSYNCED_FOLDER)?;
        let open = self.marked(OPEN_FOLDER)?;
        let is_exact = ended.len() + open.len() <= READ_MAX;
        let mut unsynced = Unsynced { runs: ended.len(), is_exact, ..Unsynced::default() };
        let runs: Vec<_> = ended.iter().chain(&open).take(READ_MAX).collect();
        let names: Vec<String> = runs.iter().map(|run| Self::name(run, MANIFEST_FILE)).collect();
        for (run, stored) in runs.into_iter().zip(self.backend.read_all(&names)) {
            // One that cannot be read must not hide the others; the pass that works on it says why.
            let Ok(Some(stored)) = stored else { continue };
            let Ok(Some(manifest)) = self.parse_manifest(run, stored) else { continue };
            unsynced.stages += manifest.stages.values().filter(|stage| stage.pending_database).count();
            unsynced.oldest_at = [unsynced.oldest_at, since(&manifest)].into_iter().flatten().min();
        }
        Ok(unsynced)
    }
}

/// Since when the database lacks something of a run.
fn since(manifest: &Manifest) -> Option<Timestamp> {
    let stages = manifest.stages.values().filter(|stage| stage.pending_database).map(|stage| stage.stored_at);
    let whole = manifest.database.filter(|side| !side.has_row).map(|_| manifest.accepted_at);
    let end = manifest.database.filter(|side| !side.has_end).and(manifest.finished_at);
    stages.chain(whole).chain(end).min()
}
