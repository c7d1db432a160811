//! Whose run it is: taking runs over that nobody works on, and giving them back.

use std::{collections::HashSet, sync::PoisonError};

use pipeline::run::{RunId, Stage};

use super::{
    super::{Fence, StorageError, atomic},
    Twin,
    disk::Disk,
    manifest::Manifest,
    marks::OPEN_FOLDER,
    proof::{Found, at, read_stage},
};

impl Disk {
    /// Clears away the temporary files of killed processes. Under the run's lock: nobody else writes there.
    pub(super) fn clear_temporaries(&self, run: &RunId) -> Result<(), StorageError> {
        let folder = self.folder(run);
        atomic::remove_temporaries(&folder).map_err(at(&folder))?;
        for path in Stage::ALL.map(|stage| folder.join(stage.file())) {
            if let Some(stage_folder) = path.parent().filter(|folder| folder.is_dir()) {
                atomic::remove_temporaries(stage_folder).map_err(at(stage_folder))?;
            }
        }
        Ok(())
    }

    /// Takes a run over: clears away what a killed process left, and believes only what proves itself.
    pub(super) fn take(&self, manifest: &mut Manifest, owner: &str) -> Result<Fence, StorageError> {
        let run = manifest.run_id.clone();
        self.clear_temporaries(&run)?;
        let folder = self.folder(&run);
        for stage in Stage::ALL {
            let path = folder.join(stage.file());
            let known = manifest.stages.get(&stage).cloned();
            match read_stage(&path, stage, known.as_ref())? {
                Found::Record(record, sha256) => {
                    // A crash between the stage file and the manifest: the file has proved itself.
                    if known.is_none() {
                        let twin = manifest.database.map_or(Twin::None, |_| Twin::Lacks);
                        manifest.stages.insert(stage, self.stored_stage(&record, sha256, twin));
                    }
                }
                Found::Nothing => {
                    if manifest.stages.remove(&stage).is_some() {
                        tracing::warn!(path = %path.display(), "stored stage is missing; it will be run again");
                    }
                }
                Found::Damaged(reason) => {
                    self.set_aside(&path, &reason)?;
                    manifest.stages.remove(&stage);
                }
            }
        }
        let fence = self.own(manifest, owner)?;
        self.write_manifest(manifest)?;
        Ok(fence)
    }

    pub(super) fn claim(
        &self,
        owner: &str,
        limit: usize,
        held: &HashSet<RunId>,
        without_row_only: bool,
    ) -> Result<Vec<Fence>, StorageError> {
        let mut open = self.marked(OPEN_FOLDER)?;
        open.retain(|run| !held.contains(run));
        let mut waiting = Vec::new();
        let mut with_row = self.with_row.lock().unwrap_or_else(PoisonError::into_inner);
        let mut still_with_row = HashSet::new();
        for run in open {
            if without_row_only && with_row.contains(&run) {
                still_with_row.insert(run);
                continue;
            }
            // Without the lock: a look that is wrong is put right under it.
            match self.read_manifest(&run) {
                Ok(Some(manifest)) if manifest.has_ended() => self.unmark_ended(&run)?,
                Ok(Some(manifest)) if without_row_only && manifest.has_row() => {
                    still_with_row.insert(run);
                }
                Ok(Some(manifest)) => waiting.push((manifest.accepted_at, run)),
                // Accepted nowhere: the process died before it wrote the manifest, or its folder has gone.
                Ok(None) => {}
                Err(error) => tracing::error!(run_id = %run, %error, "run cannot be taken up"),
            }
        }
        *with_row = still_with_row;
        drop(with_row);
        waiting.sort();
        let mut fences = Vec::new();
        for (_, run) in waiting {
            if fences.len() == limit {
                break;
            }
            let _lock = self.lock(&run)?;
            let Some(mut manifest) = self.read_manifest(&run)? else { continue };
            if !manifest.has_ended() && !self.is_held(&manifest)? {
                fences.push(self.take(&mut manifest, owner)?);
            }
        }
        Ok(fences)
    }

    /// The attempt is given back too: it did not end in a crash. Having been released already is success.
    pub(super) fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        let _lock = self.lock(&fence.run)?;
        let is_released = |manifest: &Manifest| {
            manifest.owner.is_none()
                && (manifest.generation, manifest.epoch) == (fence.generation, fence.epoch)
        };
        if self
            .read_manifest(&fence.run)?
            .is_some_and(|manifest| !manifest.has_ended() && is_released(&manifest))
        {
            return Ok(());
        }
        let mut manifest = self.fenced_manifest(fence)?;
        manifest.owner = None;
        manifest.attempts = (manifest.attempts - 1).max(0);
        self.write_manifest(&mut manifest)
    }
}
