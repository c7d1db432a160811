//! Repairs and proves the files of ended runs, for sync.

use pipeline::{
    record::{StageRecord, sha256_hex},
    run::{RunId, RunStatus, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync,
        integrity::{DigestCheck, check_digest, digest, record_bytes},
        layout::{CONFLICT, MANIFEST_FILE, REPORT_FILE, ROW_CONFLICT, in_run},
        manifest::{DatabaseSide, Manifest, StoredReport},
        run_files::RunFiles,
        tombstones::deleted,
    },
    ports::sync::{Proof, Row},
    run::RunRecord,
};

impl RunFiles {
    /// Names that are no run ids are left out: the folders of the store begin with a dot.
    pub(super) fn runs(&self) -> Result<Vec<RunId>, StorageError> {
        self.markers.marked("")
    }

    pub(super) fn keep_proof(&self, proof: &Proof) -> Result<(), StorageError> {
        self.mark_synced(&proof.run_id, |manifest| {
            manifest.database = Some(DatabaseSide { has_row: true, has_end: true });
            for stored in manifest.stages.values_mut() {
                stored.pending_database = false;
            }
            manifest.row_is_ahead = false;
            manifest.proof = Some(proof.clone());
        })
    }

    pub(super) fn overwrite_from_row(&self, row: &RunRecord) -> Result<(), StorageError> {
        let run = &row.id;
        {
            let _lock = self.io.lock(run)?;
            let Some(mut manifest) = self.manifests.read(run)? else { return Ok(()) };
            for stage in Stage::ALL {
                let theirs = row.stages.get(&stage).map(|held| &held.sha256);
                let ours = manifest.stages.get(&stage).map(|stored| &stored.record_sha256);
                // Stages that the row lacks go to the row, unless it has ended in another way.
                let is_in_the_way = theirs.is_some() || row.status != manifest.status;
                if ours.is_some() && ours != theirs && is_in_the_way {
                    self.quarantine_if_there(&in_run(run, stage.file()))?;
                    manifest.stages.remove(&stage);
                }
            }
            let report = row.report.as_ref().map(|report| sha256_hex(report.as_bytes()));
            if let Some(stored) = &manifest.report
                && report.as_ref() != Some(&stored.sha256)
                && (report.is_some() || row.status != manifest.status)
            {
                self.quarantine_if_there(&in_run(run, REPORT_FILE))?;
                manifest.report = None;
            }
            manifest.status = row.status;
            manifest.error.clone_from(&row.failure);
            manifest.finished_at = row.finished_at;
            manifest.proof = None;
            self.manifests.write(&mut manifest)?;
        }
        self.fill(row)
    }

    fn quarantine_if_there(&self, name: &str) -> Result<(), StorageError> {
        if self.io.read(name)?.is_some() {
            self.io.move_aside(name, CONFLICT, None)?;
        }
        Ok(())
    }

    pub(super) fn snapshot_row(&self, Row { snapshot: row, damaged, .. }: &Row) -> Result<(), StorageError> {
        let name = in_run(&row.id, format!("{ROW_CONFLICT}-{}.json", self.io.stamp()));
        let stages: Vec<_> = row.stages.values().map(|held| &held.record).collect();
        let kept = serde_json::json!({
            "run_id": row.id, "status": row.status, "generation": row.generation, "stages": stages,
            "report": row.report, "error": row.failure, "damaged": damaged,
        });
        let bytes = self.io.json_bytes(&kept, &name)?;
        let created = self.io.backend.create(&name, &bytes).and_then(|()| self.io.flush(&name));
        created.map_err(|error| self.io.fault(&name, &error))
    }

    pub(super) fn fill(&self, row: &RunRecord) -> Result<(), StorageError> {
        let _lock = self.io.lock(&row.id)?;
        match self.manifests.read(&row.id)? {
            Some(mut manifest) => self.complete(&mut manifest, row),
            None => Ok(()),
        }
    }

    pub(super) fn import(&self, row: &RunRecord) -> Result<(), StorageError> {
        let run = &row.id;
        let (Some(request), Some(accepted_at)) = (&row.request, row.accepted_at) else {
            let what = format!("run {run} was never asked for");
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        };
        if row.status == RunStatus::Processing {
            let what = format!("run {run} has not ended in the database");
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        }
        let _lock = self.io.lock_new(run)?;
        if self.is_deleted(run)? {
            return Err(deleted(run));
        }
        let mut manifest = match self.manifests.read(run)? {
            Some(manifest) => manifest,
            None => Manifest {
                status: row.status,
                generation: row.generation,
                epoch: row.epoch,
                finished_at: row.finished_at,
                error: row.failure.clone(),
                lost_usd: row.lost_usd,
                database: Some(DatabaseSide { has_row: true, has_end: true }),
                ..self.manifests.blank(run, request.clone(), accepted_at)
            },
        };
        self.manifests.note_run(&manifest)?;
        self.complete(&mut manifest, row)
    }

    /// Stores the parts of an ended run's row that the files lack, and the manifest last. The caller holds the run's lock.
    fn complete(&self, manifest: &mut Manifest, row: &RunRecord) -> Result<(), StorageError> {
        let run = &row.id;
        if (manifest.status, manifest.generation) != (row.status, row.generation) {
            let what = format!("run {run} has not ended in files as it has in the database");
            return Err(StorageError::new(StorageErrorKind::Fenced, what));
        }
        for held in row.stages.values() {
            self.restore_stage(manifest, &held.record)?;
        }
        manifest.row_is_ahead = false;
        if let Some(report) = &row.report {
            self.restore_report(manifest, report)?;
        }
        self.manifests.write(manifest)
    }

    /// Writes a stage whose file is missing or has the wrong digest. The manifest, which is not written yet, may name the file
    /// already. Another record with a valid digest stays: it is a conflict, which an operator settles.
    fn restore_stage(&self, manifest: &mut Manifest, record: &StageRecord) -> Result<(), StorageError> {
        let stage = record.meta.stage;
        let name = in_run(&manifest.run_id, stage.file());
        let sha256 = digest(record)?;
        let known = manifest.stages.get(&stage);
        let is_there = match check_digest(self.io.read(&name)?, stage, known)? {
            DigestCheck::Record(_, existing, _) if existing == sha256 => true,
            DigestCheck::Record(..) if known.is_some() => return Ok(()),
            // No manifest names it. Its writer lost the run before it wrote the manifest, or it is a conflict.
            DigestCheck::Record(..) => return Err(self.conflict(&name)),
            DigestCheck::Damaged(reason, version) => {
                // The record may be intact although the manifest names another digest.
                let is_whole = matches!(check_digest(self.io.read(&name)?, stage, None)?,
                    DigestCheck::Record(_, existing, _) if existing == sha256);
                if !is_whole {
                    self.io.quarantine(&name, &reason, Some(&version))?;
                }
                is_whole
            }
            DigestCheck::Nothing => false,
        };
        if !is_there {
            let created = self.io.backend.create(&name, &record_bytes(record)?);
            created.map_err(|error| self.io.fault(&name, &error))?;
            tracing::info!(event = "stage_file_restored", run_id = %manifest.run_id, stage = stage.number(), "[{}] Stage {} was written to file from the row",
                manifest.run_id, stage.number());
        }
        let is_news = known.is_none_or(|known| known.record_sha256 != sha256);
        manifest.flush_with(&name);
        if is_news {
            let stored = self.stored_stage(record, sha256, DbSync::Synced);
            manifest.stages.insert(stage, stored);
        }
        Ok(())
    }

    /// Writes the report in the same way.
    fn restore_report(&self, manifest: &mut Manifest, report: &str) -> Result<(), StorageError> {
        let name = in_run(&manifest.run_id, REPORT_FILE);
        let sha256 = sha256_hex(report.as_bytes());
        match (self.io.read(&name)?, &manifest.report) {
            (Some(stored), known) => {
                let existing = sha256_hex(&stored.bytes);
                match known {
                    _ if existing == sha256 => {}
                    Some(known) if known.sha256 == existing => return Ok(()),
                    Some(known) => {
                        let reason = format!("has digest {existing}, the manifest says {}", known.sha256);
                        self.io.quarantine(&name, &reason, Some(&stored.version))?;
                        self.manifests.replace_beside(manifest, &name, report.as_bytes())?;
                    }
                    // A process wrote it and died before it wrote the manifest.
                    None => self.manifests.replace_beside(manifest, &name, report.as_bytes())?,
                }
            }
            (None, _) => self.manifests.replace_beside(manifest, &name, report.as_bytes())?,
        }
        manifest.report = Some(StoredReport { file: REPORT_FILE.to_owned(), sha256 });
        Ok(())
    }

    /// Lists files of a run that are unreadable or whose digest does not match. Changes nothing.
    pub(super) fn damage(&self, run: &RunId) -> Result<Damage, StorageError> {
        let Some(stored) = self.io.read(&in_run(run, MANIFEST_FILE))? else { return Ok(Damage::default()) };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&stored.bytes) else {
            return Ok(Damage { manifest: true, ..Damage::default() });
        };
        let mut damage = Damage::default();
        for stage in Stage::ALL {
            let stored = self.io.read(&in_run(run, stage.file()))?;
            if let DigestCheck::Damaged(..) = check_digest(stored, stage, manifest.stages.get(&stage))? {
                damage.stages.push(stage);
            }
        }
        let report = self.io.read(&in_run(run, REPORT_FILE))?;
        damage.report = manifest
            .report
            .as_ref()
            .zip(report)
            .is_some_and(|(known, stored)| sha256_hex(&stored.bytes) != known.sha256);
        Ok(damage)
    }
}

/// The files of a run that are unreadable or whose digest does not match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// `run.json` is unreadable. No other file was read.
    pub manifest: bool,
    pub stages: Vec<Stage>,
    pub report: bool,
}
