//! Finds the runs that this process no longer owns.

use std::collections::HashSet;

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    files::{
        layout::{MANIFEST_FILE, OPEN_FOLDER, in_run},
        run_files::RunFiles,
    },
    ports::lifecycle::Fence,
};

impl RunFiles {
    /// Lists the runs whose fence no longer holds.
    pub(in crate::files) fn lost_leases(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let names: Vec<String> = fences.iter().map(|fence| in_run(&fence.run, MANIFEST_FILE)).collect();
        let mut lost = Vec::new();
        for (fence, (name, stored)) in fences.iter().zip(names.iter().zip(self.io.backend.read_all(&names))) {
            let stored = stored.map_err(|error| self.io.fault(name, &error))?;
            let manifest = stored.map_or(Ok(None), |stored| self.manifests.parse(&fence.run, stored))?;
            let is_ours =
                manifest.is_some_and(|manifest| !manifest.has_ended() && manifest.term() == fence.term());
            if !is_ours {
                lost.push(fence.run.clone());
            }
        }
        Ok(lost)
    }

    /// Lists the runs that another process ended. It lists the open markers once instead of reading each
    /// manifest.
    pub(in crate::files) fn ended_elsewhere(&self, fences: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        let open: HashSet<RunId> = self.markers.marked(OPEN_FOLDER)?.into_iter().collect();
        let unmarked: Vec<Fence> =
            fences.iter().filter(|fence| !open.contains(&fence.run)).cloned().collect();
        self.lost_leases(&unmarked)
    }
}
