//! Ended runs, mended and proved from outside: by reconciliation.

use pipeline::{
    record::sha256_hex,
    run::{RunId, Stage},
};

use super::{
    super::{Snapshot, StorageError, StorageErrorKind, proof::Proof},
    Twin,
    manifest::{DatabaseSide, StoredReport},
    run_files::{REPORT_FILE, RunFiles},
};

impl RunFiles {
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
                    self.move_aside(&Self::name(run, stage.file()), "conflict", None)?;
                    manifest.stages.remove(&stage);
                }
            }
            let report = row.report.as_ref().map(|report| sha256_hex(report.as_bytes()));
            if let Some(stored) = &manifest.report
                && report.as_ref() != Some(&stored.sha256)
            {
                self.move_aside(&Self::name(run, REPORT_FILE), "conflict", None)?;
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
        let name = Self::name(&row.id, format!("row.conflict-{}.json", self.stamp()));
        let stages: Vec<_> = row.stages.values().map(|held| &held.record).collect();
        let kept = serde_json::json!({
            "run_id": row.id, "status": row.status, "generation": row.generation, "stages": stages,
            "report": row.report, "error": row.failure,
        });
        let bytes = self.json_bytes(&kept, &name)?;
        self.medium.create(&name, &bytes).map_err(|error| self.fault(&name, &error))
    }

    pub(super) fn fill(&self, row: &Snapshot) -> Result<(), StorageError> {
        let run = &row.id;
        let _lock = self.lock(run)?;
        let Some(mut manifest) = self.read_manifest(run)? else { return Ok(()) };
        if (manifest.status, manifest.generation) != (row.status, row.generation) {
            let what = format!("run {run} has not ended in files as it has in the database");
            return Err(StorageError::new(StorageErrorKind::Fenced, what));
        }
        for held in row.stages.values() {
            self.add_stage(&mut manifest, &held.record, Twin::Has)?;
        }
        if let (None, Some(report)) = (&manifest.report, &row.report) {
            self.replace(&Self::name(run, REPORT_FILE), report.as_bytes())?;
            let sha256 = sha256_hex(report.as_bytes());
            manifest.report = Some(StoredReport { file: REPORT_FILE.to_owned(), sha256 });
        }
        self.write_manifest(&mut manifest)
    }
}
