//! Ended runs, mended and proved from outside: by reconciliation.

use std::{io, path::Path};

use pipeline::{
    record::sha256_hex,
    run::{RunId, Stage},
};

use super::{
    super::{Snapshot, StorageError, StorageErrorKind, atomic, proof::Proof},
    Twin,
    disk::{Disk, REPORT_FILE},
    manifest::{DatabaseSide, StoredReport},
    marks::{OPEN_FOLDER, UNSYNCED_FOLDER},
    proof::{Found, at, read_stage},
};

impl Disk {
    pub(super) fn open_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.marked(OPEN_FOLDER)
    }

    pub(super) fn unsynced_runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.marked(UNSYNCED_FOLDER)
    }

    /// Names that are no run ids (our own folders begin with a dot) are left out.
    pub(super) fn runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.marked("")
    }

    pub(super) fn keep_proof(&self, proof: &Proof) -> Result<(), StorageError> {
        self.mark_synced(&proof.run_id, |manifest| {
            manifest.database = Some(DatabaseSide { has_row: true, has_end: true });
            for stored in manifest.stages.values_mut() {
                stored.unsynced = false;
            }
            manifest.proof = Some(proof.clone());
        })
    }

    pub(super) fn take_over(&self, row: &Snapshot) -> Result<(), StorageError> {
        let run = &row.id;
        {
            let _lock = self.lock(run)?;
            let Some(mut manifest) = self.read_manifest(run)? else { return Ok(()) };
            for stage in Stage::ALL {
                let theirs = row.stages.get(&stage).map(|held| &held.sha256);
                let ours = manifest.stages.get(&stage).map(|stored| &stored.record_sha256);
                if ours.is_some() && ours != theirs {
                    self.keep_beside(&self.folder(run).join(stage.file()))?;
                    manifest.stages.remove(&stage);
                }
            }
            let report = row.report.as_ref().map(|report| sha256_hex(report.as_bytes()));
            if let Some(stored) = &manifest.report
                && report.as_ref() != Some(&stored.sha256)
            {
                self.keep_beside(&self.folder(run).join(REPORT_FILE))?;
                manifest.report = None;
            }
            manifest.status = row.status;
            manifest.error.clone_from(&row.failure);
            manifest.finished_at = row.finished_at;
            manifest.proof = None;
            self.write_manifest(&mut manifest)?;
        }
        self.fill(row)
    }

    pub(super) fn keep_row(&self, row: &Snapshot) -> Result<(), StorageError> {
        let path = self.folder(&row.id).join(format!("row.conflict-{}.json", self.stamp()));
        let stages: Vec<_> = row.stages.values().map(|held| &held.record).collect();
        let kept = serde_json::json!({
            "run_id": row.id, "status": row.status, "generation": row.generation, "stages": stages,
            "report": row.report, "error": row.failure,
        });
        let bytes = serde_json::to_vec_pretty(&kept).map_err(|error| at(&path)(io::Error::other(error)))?;
        atomic::create(&path, &bytes).map_err(at(&path))
    }

    fn keep_beside(&self, path: &Path) -> Result<(), StorageError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
        atomic::rename(path, &path.with_file_name(format!("{name}.conflict-{}", self.stamp())))
            .map_err(at(path))
    }

    fn stamp(&self) -> String {
        self.clock.now().format("%Y%m%dT%H%M%S%3fZ").to_string()
    }

    pub(super) fn fill(&self, row: &Snapshot) -> Result<(), StorageError> {
        let run = &row.id;
        let _lock = self.lock(run)?;
        let Some(mut manifest) = self.read_manifest(run)? else { return Ok(()) };
        if (manifest.status, manifest.generation) != (row.status, row.generation) {
            let what = format!("run {run} has not ended in files as it has in the database");
            return Err(StorageError::new(StorageErrorKind::Fenced, what));
        }
        for (stage, held) in &row.stages {
            if manifest.stages.contains_key(stage) {
                continue;
            }
            let path = self.folder(run).join(stage.file());
            if let Some(folder) = path.parent() {
                atomic::create_folder(folder).map_err(at(folder))?;
            }
            let bytes = super::disk::record_bytes(&held.record, &path)?;
            match atomic::create(&path, &bytes) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    match read_stage(&path, *stage, None)? {
                        Found::Record(_, sha256) if sha256 == held.sha256 => {}
                        _ => {
                            let what =
                                format!("{} already holds a different record; both are kept", path.display());
                            return Err(StorageError::new(StorageErrorKind::Conflict, what));
                        }
                    }
                }
                created => created.map_err(at(&path))?,
            }
            manifest.stages.insert(*stage, self.stored_stage(&held.record, held.sha256.clone(), Twin::Has));
        }
        if let (None, Some(report)) = (&manifest.report, &row.report) {
            let path = self.folder(run).join(REPORT_FILE);
            atomic::replace(&path, report.as_bytes()).map_err(at(&path))?;
            let sha256 = sha256_hex(report.as_bytes());
            manifest.report = Some(StoredReport { file: REPORT_FILE.to_owned(), sha256 });
        }
        self.write_manifest(&mut manifest)
    }
}
