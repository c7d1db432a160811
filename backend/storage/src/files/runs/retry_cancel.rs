//! Retry and cancel in files.

use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    run::{RunId, RunStatus},
};

use crate::{
    control_plane::AuditRecord,
    error::StorageError,
    files::{
        db_sync::DbSync,
        io::unknown,
        layout::{OPEN_FOLDER, UNSYNCED_FOLDER},
        manifest::{DatabaseSide, Manifest},
        run_files::RunFiles,
    },
};

impl RunFiles {
    pub(in crate::files) fn retry(
        &self,
        run: &RunId,
        seen: i32,
        db_sync: DbSync,
        audit: Option<&AuditRecord>,
    ) -> Result<Option<i32>, StorageError> {
        // Before the lock: a search holds this cache while it waits for the run's lock.
        self.forget_observation(run);
        let _lock = self.io.lock(run)?;
        let Some(mut manifest) = self.manifests.read(run)? else { return Err(unknown(run)) };
        let has_failed = matches!(manifest.status, RunStatus::Failed | RunStatus::Cancelled);
        if !has_failed || manifest.generation != seen || self.is_deleted(run)? {
            return Ok(None);
        }
        // The next claim removes a marker without an open run. No claim finds an open run without its marker.
        self.markers.mark(OPEN_FOLDER, run)?;
        let old = manifest.status;
        manifest.reopen();
        manifest.generation += 1;
        let generation = manifest.generation;
        let record = audit.map(|audit| audit.of_retry(old, generation));
        manifest.epoch += 1;
        manifest.attempts = 0;
        manifest.owner = None;
        // The row in the database, if any, belongs to an earlier generation.
        if db_sync == DbSync::Pending || manifest.database.is_some() {
            manifest.database = Some(DatabaseSide::default());
        }
        self.audited_change(&mut manifest, record, |manifest| self.manifests.write(manifest))?;
        self.markers.unmark(UNSYNCED_FOLDER, run)?;
        Ok(Some(generation))
    }

    pub(in crate::files) fn cancel(
        &self,
        run: &RunId,
        failure: &RunFailure,
        at_time: Timestamp,
        db_sync: DbSync,
        audit: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        let _lock = self.io.lock(run)?;
        let Some(mut manifest) = self.manifests.read(run)? else { return Err(unknown(run)) };
        if manifest.has_ended() {
            return Ok(false);
        }
        manifest.epoch += 1;
        manifest.error = Some(failure.clone());
        // Only a killed process leaves half-written files here.
        self.clear_leftovers(run)?;
        let record = audit.map(|audit| audit.of_cancel(RunStatus::Processing));
        let close = |manifest: &mut Manifest| self.close(manifest, RunStatus::Cancelled, at_time, db_sync);
        self.audited_change(&mut manifest, record, close)?;
        Ok(true)
    }
}
