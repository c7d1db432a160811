//! Removes the remains of killed processes, and markers that no longer hold.

use std::time::Duration;

use pipeline::run::{RunId, Stage};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        layout::{UNSYNCED_FOLDER, in_run},
        run_files::RunFiles,
    },
};

/// From an acceptance's marker to its manifest: many times the limit of a write, and of its repetition.
const ACCEPTANCE_MAX: Duration = Duration::from_secs(30);

/// The folders of a run's files.
fn folders(run: &RunId) -> impl Iterator<Item = String> {
    let names = Stage::ALL.map(|stage| in_run(run, stage.file()));
    let folders =
        names.into_iter().filter_map(|name| name.rsplit_once('/').map(|(folder, _)| folder.to_owned()));
    folders.chain([run.as_str().to_owned()])
}

impl RunFiles {
    /// Removes half-written files of killed processes. The caller holds the run's lock, so nobody else writes
    /// there.
    pub(in crate::files) fn clear_leftovers(&self, run: &RunId) -> Result<(), StorageError> {
        for folder in folders(run) {
            self.io.backend.clear_leftovers(&folder).map_err(|error| self.io.fault(&folder, &error))?;
        }
        Ok(())
    }

    /// As [`RunFiles::clear_leftovers`], for a run that nobody has to have in hand. Without leftovers it takes no lock.
    pub(in crate::files) fn sweep_leftovers(&self, run: &RunId) -> Result<(), StorageError> {
        for folder in folders(run) {
            match self.io.backend.has_leftovers(&folder) {
                Ok(false) => {}
                Ok(true) => return self.clear_leftovers_locked(run),
                Err(error) => return Err(self.io.fault(&folder, &error)),
            }
        }
        Ok(())
    }

    /// Removes the open markers of an ended run, under the lock, because a retry may be about to open it
    /// again.
    pub(in crate::files) fn unmark_ended(&self, run: &RunId) -> Result<(), StorageError> {
        let _lock = self.io.lock(run)?;
        let has_ended = self.manifests.read(run)?.is_none_or(|manifest| manifest.has_ended());
        if has_ended { self.clear_open(run) } else { Ok(()) }
    }

    /// Removes the unsynced marker of an ended run of an older generation. A retry has completed it
    /// elsewhere, so the database lacks nothing. The other files stay.
    pub(in crate::files) fn unmark_superseded(
        &self,
        run: &RunId,
        generation: i32,
    ) -> Result<(), StorageError> {
        let _lock = self.io.lock(run)?;
        let is_superseded = self
            .manifests
            .read(run)?
            .is_some_and(|manifest| manifest.has_ended() && manifest.generation < generation);
        if is_superseded { self.markers.unmark(UNSYNCED_FOLDER, run) } else { Ok(()) }
    }

    /// Removes the remains of a process that was killed before it wrote the manifest. No caller was told that
    /// the run is accepted. Where nothing locks, another process may be accepting the run, so its files stay until
    /// they have been without a manifest for longer than an acceptance takes.
    pub(in crate::files) fn clear_unaccepted(
        &self,
        run: &RunId,
        observed_for: Duration,
    ) -> Result<(), StorageError> {
        let _lock = match self.io.lock(run) {
            Ok(Some(lock)) => Some(lock),
            Ok(None) if observed_for > ACCEPTANCE_MAX => None,
            Ok(None) => return Ok(()),
            Err(error) if error.kind == StorageErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.manifests.read(run)?.is_some() {
            return Ok(());
        }
        self.clear_leftovers(run)?;
        self.clear_open(run)
    }

    /// Clears away what killed processes left of a run that nobody works on.
    pub(in crate::files) fn clear_leftovers_locked(&self, run: &RunId) -> Result<(), StorageError> {
        let _lock = self.io.lock(run)?;
        self.clear_leftovers(run)
    }
}
