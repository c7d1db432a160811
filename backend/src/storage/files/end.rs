//! The end of a run in files, whoever ends it.

use pipeline::{clock::Timestamp, record::sha256_hex, run::RunStatus};

use super::{
    super::{End, Fence, StorageError, atomic},
    Twin,
    disk::{Disk, REPORT_FILE},
    manifest::{DatabaseSide, Manifest, StoredReport},
    marks::{OPEN_FOLDER, UNSYNCED_FOLDER},
    owners::remove_file,
    proof::at,
};
use crate::crash;

impl Disk {
    pub(super) fn finish(
        &self,
        fence: &Fence,
        end: End<'_>,
        at_time: Timestamp,
        twin: Twin,
    ) -> Result<(), StorageError> {
        let run = &fence.run;
        let _lock = self.lock(run)?;
        let mut manifest = match self.fenced_manifest(fence) {
            Ok(manifest) => manifest,
            Err(error) => {
                // An earlier attempt whose answer was lost has done it.
                let done = self.read_manifest(run)?.is_some_and(|manifest| {
                    manifest.status == end.status()
                        && (manifest.generation, manifest.epoch) == (fence.generation, fence.epoch)
                });
                return if done { Ok(()) } else { Err(error) };
            }
        };
        let report_path = self.folder(run).join(REPORT_FILE);
        match end {
            End::Completed { report, .. } => {
                atomic::replace(&report_path, report.as_bytes()).map_err(at(&report_path))?;
                crash::point("report-written");
                let sha256 = sha256_hex(report.as_bytes());
                manifest.report = Some(StoredReport { file: REPORT_FILE.to_owned(), sha256 });
                manifest.error = None;
            }
            End::Failed(failure) => {
                manifest.lost_usd += failure.usage.cost_usd;
                manifest.error = Some(failure.clone());
            }
        }
        self.close(&mut manifest, end.status(), at_time, twin)
    }

    /// Enters the end in the manifest, durably, and clears away what hung on the run being open. Under its lock.
    pub(super) fn close(
        &self,
        manifest: &mut Manifest,
        status: RunStatus,
        at_time: Timestamp,
        twin: Twin,
    ) -> Result<(), StorageError> {
        manifest.status = status;
        manifest.finished_at = Some(at_time.max(manifest.accepted_at));
        manifest.owner = None;
        manifest.database = match twin {
            Twin::None => manifest.database,
            Twin::Has => Some(DatabaseSide { has_row: true, has_end: true }),
            Twin::Lacks => Some(DatabaseSide { has_end: false, ..manifest.database.unwrap_or_default() }),
        };
        if manifest.is_unsynced() {
            self.mark(UNSYNCED_FOLDER, &manifest.run_id)?;
        }
        // Of a process that was killed, and whose run has ended elsewhere.
        self.clear_temporaries(&manifest.run_id)?;
        self.write_manifest(manifest)?;
        // From here on nothing of the run hangs on these.
        self.unmark(OPEN_FOLDER, &manifest.run_id)?;
        let spool = self.spool_path(&manifest.run_id);
        remove_file(&spool).map_err(at(&spool))
    }
}
