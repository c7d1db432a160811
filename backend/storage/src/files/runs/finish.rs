//! Ends a run in files, for a worker or the reconciler.

use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    record::{StageRecord, sha256_hex},
    run::{RunId, RunStatus},
};

use crate::{
    error::StorageError,
    files::{
        db_sync::DbSync,
        layout::{OPEN_FOLDER, REPORT_FILE, UNSYNCED_FOLDER, in_run},
        manifest::{DatabaseSide, Manifest, StoredReport},
        run_files::RunFiles,
    },
    ports::{lifecycle::Fence, outbox::WebhookEvent},
    run::End,
};
use foundation::failpoints;

/// An [`End`] that can move to another thread.
#[derive(Debug)]
pub(crate) enum OwnedEnd {
    Completed { records: Vec<StageRecord>, report: String },
    Failed(RunFailure),
}

impl From<End<'_>> for OwnedEnd {
    fn from(end: End<'_>) -> Self {
        match end {
            End::Completed { records, report } => {
                Self::Completed { records: records.to_vec(), report: report.to_owned() }
            }
            End::Failed(failure) => Self::Failed(failure.clone()),
        }
    }
}

impl OwnedEnd {
    pub(crate) fn borrowed(&self) -> End<'_> {
        match self {
            Self::Completed { records, report } => End::Completed { records, report },
            Self::Failed(failure) => End::Failed(failure),
        }
    }
}

impl RunFiles {
    pub(in crate::files) fn finish(
        &self,
        fence: &Fence,
        end: End<'_>,
        at_time: Timestamp,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        let run = &fence.run;
        let _lock = self.io.lock(run)?;
        let mut manifest = match self.manifests.read_fenced(fence) {
            Ok(manifest) => manifest,
            Err(error) => {
                // An earlier attempt did this, and its answer was lost.
                let done = self.manifests.read(run)?.is_some_and(|manifest| {
                    manifest.status == end.status() && manifest.term() == fence.term()
                });
                return if done { Ok(()) } else { Err(error) };
            }
        };
        match end {
            End::Completed { records, report } => {
                // Stages that only the database holds, because the files failed at the time.
                for record in records {
                    self.add_stage(&mut manifest, record, DbSync::Synced)?;
                }
                // A stale writer may write here too late, but it writes the same bytes: the report is derived
                // from the stored records.
                self.manifests.replace_beside(&mut manifest, &in_run(run, REPORT_FILE), report.as_bytes())?;
                failpoints::hit("report-written");
                let sha256 = sha256_hex(report.as_bytes());
                manifest.report = Some(StoredReport { file: REPORT_FILE.to_owned(), sha256 });
                manifest.error = None;
            }
            End::Failed(failure) => {
                manifest.lost_usd += failure.usage.cost_usd;
                manifest.error = Some(failure.clone());
            }
        }
        self.close(&mut manifest, end.status(), at_time, db_sync)
    }

    /// Writes the end into the manifest durably, and removes the markers of an open run. The caller holds the
    /// lock.
    pub(in crate::files) fn close(
        &self,
        manifest: &mut Manifest,
        status: RunStatus,
        at_time: Timestamp,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        self.note_end(manifest, status, at_time, db_sync)?;
        self.manifests.write(manifest)?;
        self.clear_open(&manifest.run_id)
    }

    /// Notes the end in the manifest, without writing it.
    pub(in crate::files) fn note_end(
        &self,
        manifest: &mut Manifest,
        status: RunStatus,
        at_time: Timestamp,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        manifest.status = status;
        manifest.finished_at = Some(at_time.max(manifest.accepted_at));
        manifest.owner = None;
        // A retry by files alone would pay for the row's stages again, unless the files have been filled before.
        manifest.row_is_ahead &= status != RunStatus::Completed && db_sync == DbSync::Diverged;
        manifest.database = match db_sync {
            DbSync::NotTracked => manifest.database,
            DbSync::Synced | DbSync::Diverged => Some(DatabaseSide { has_row: true, has_end: true }),
            DbSync::Pending => Some(DatabaseSide { has_end: false, ..manifest.database.unwrap_or_default() }),
        };
        if manifest.is_unsynced() || db_sync == DbSync::Diverged {
            self.markers.mark_with_manifest(manifest, UNSYNCED_FOLDER)?;
        }
        let ended: &[WebhookEvent] = match status {
            RunStatus::Completed => &[WebhookEvent::Report, WebhookEvent::Completed],
            _ => &[WebhookEvent::Failed],
        };
        self.enqueue_events(manifest, ended, db_sync)?;
        self.keep_spooled(manifest);
        Ok(())
    }

    /// Removes the remains of an open run. The marker goes last, so that a later search can finish the
    /// removal after a crash.
    pub(in crate::files) fn clear_open(&self, run: &RunId) -> Result<(), StorageError> {
        if !self.is_spool_kept(run) {
            self.spool.forget(run).map_err(|error| self.spool.fault(run, &error))?;
        }
        self.markers.unmark(OPEN_FOLDER, run)
    }
}
