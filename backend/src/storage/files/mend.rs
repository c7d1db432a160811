//! Ended runs, mended and proved from outside: by reconciliation.

use pipeline::{
    record::sha256_hex,
    run::{RunId, RunStatus, Stage},
};

use super::{
    super::{Snapshot, StorageError, StorageErrorKind, proof::Proof},
    Twin,
    manifest::{DatabaseSide, Manifest, StoredReport},
    run_files::{REPORT_FILE, RunFiles},
    tombstone::deleted,
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
        let _lock = self.lock(&row.id)?;
        match self.read_manifest(&row.id)? {
            Some(mut manifest) => self.complete(&mut manifest, row),
            None => Ok(()),
        }
    }

    pub(super) fn import(&self, row: &Snapshot) -> Result<(), StorageError> {
        let run = &row.id;
        let (Some(request), Some(accepted_at)) = (&row.request, row.accepted_at) else {
            let what = format!("run {run} was never asked for");
            return Err(StorageError::new(StorageErrorKind::Refused, what));
        };
        if row.status == RunStatus::Processing {
            let what = format!("run {run} has not ended in the database");
            return Err(StorageError::new(StorageErrorKind::Refused, what));
        }
        let _lock = self.lock_new(run)?;
        if self.is_buried(run)? {
            return Err(deleted(run));
        }
        let mut manifest = match self.read_manifest(run)? {
            Some(manifest) => manifest,
            None => Manifest {
                status: row.status,
                generation: row.generation,
                epoch: row.epoch,
                finished_at: row.finished_at,
                error: row.failure.clone(),
                lost_usd: row.lost_usd,
                database: Some(DatabaseSide { has_row: true, has_end: true }),
                ..self.new_manifest(run, request.clone(), accepted_at)
            },
        };
        self.note_run(&manifest)?;
        self.complete(&mut manifest, row)
    }

    /// Stores what an ended run's row has and its files lack; the manifest last. Under its lock.
    fn complete(&self, manifest: &mut Manifest, row: &Snapshot) -> Result<(), StorageError> {
        let run = &row.id;
        if (manifest.status, manifest.generation) != (row.status, row.generation) {
            let what = format!("run {run} has not ended in files as it has in the database");
            return Err(StorageError::new(StorageErrorKind::Fenced, what));
        }
        for held in row.stages.values() {
            self.add_stage(manifest, &held.record, Twin::Has)?;
        }
        if let (None, Some(report)) = (&manifest.report, &row.report) {
            self.replace(&Self::name(run, REPORT_FILE), report.as_bytes())?;
            let sha256 = sha256_hex(report.as_bytes());
            manifest.report = Some(StoredReport { file: REPORT_FILE.to_owned(), sha256 });
        }
        self.write_manifest(manifest)
    }
}
