//! Creates stage files once, and never replaces them.

use std::io;

use pipeline::{
    record::StageRecord,
    run::{RunId, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync,
        integrity::{DigestCheck, check_digest, digest, record_bytes},
        layout::in_run,
        manifest::{Manifest, StageEntry},
        run_files::RunFiles,
    },
    ports::{lifecycle::Fence, outbox::WebhookEvent},
};
use foundation::failpoints;

impl RunFiles {
    pub(super) fn store_stage(
        &self,
        fence: &Fence,
        record: &StageRecord,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        let stage = record.meta.stage;
        let name = in_run(&fence.run, stage.file());
        let sha256 = digest(record)?;
        let bytes = record_bytes(record)?;
        let _lock = self.io.lock(&fence.run)?;
        let mut manifest = self.manifests.read_fenced(fence)?;
        match self.io.backend.create(&name, &bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                manifest = self.settle(fence, stage, &name, &sha256, &bytes)?;
            }
            created => created.map_err(|error| self.io.fault(&name, &error))?,
        }
        manifest.flush_with(&name);
        failpoints::hit("stage-file-written");
        manifest.stages.insert(stage, self.stored_stage(record, sha256, db_sync));
        manifest.attempts = 0;
        manifest.waiting = None;
        if db_sync.is_synced() {
            manifest.database.get_or_insert_default().has_row = true;
        }
        self.enqueue_events(&mut manifest, &[WebhookEvent::Stage(stage)], db_sync)?;
        self.enqueue_step(&mut manifest, db_sync)?;
        self.manifests.write(&mut manifest)?;
        tracing::info!(event = "stage_file_written", run_id = %fence.run, stage = stage.number(), "[{}] Wrote Stage {} to file", fence.run, stage.number());
        Ok(())
    }

    /// Adds a stage to a manifest that does not name it yet, without writing the manifest.
    pub(super) fn add_stage(
        &self,
        manifest: &mut Manifest,
        record: &StageRecord,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        let stage = record.meta.stage;
        if manifest.stages.contains_key(&stage) {
            return Ok(());
        }
        let name = in_run(&manifest.run_id, stage.file());
        let sha256 = digest(record)?;
        match self.io.backend.create(&name, &record_bytes(record)?) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match check_digest(self.io.read(&name)?, stage, None)? {
                    DigestCheck::Record(_, existing, _) if existing == sha256 => {}
                    _ => return Err(self.conflict(&name)),
                }
            }
            created => created.map_err(|error| self.io.fault(&name, &error))?,
        }
        manifest.flush_with(&name);
        manifest.stages.insert(stage, self.stored_stage(record, sha256, db_sync));
        Ok(())
    }

    pub(super) fn conflict(&self, name: &str) -> StorageError {
        let what = format!("{} already holds a different record; both are kept", self.io.backend.place(name));
        StorageError::new(StorageErrorKind::Conflict, what)
    }

    /// Stores a stage whose file already exists, if the record is the same or the manifest does not name it.
    /// Returns the manifest.
    ///
    /// The existing file is read before the manifest. A new owner raises the epoch before it writes files. So
    /// the fence check on the manifest sees any new owner of that file.
    pub(super) fn settle(
        &self,
        fence: &Fence,
        stage: Stage,
        name: &str,
        sha256: &str,
        bytes: &[u8],
    ) -> Result<Manifest, StorageError> {
        let stored = self.io.read(name)?;
        let manifest = self.manifests.read_fenced(fence)?;
        let known = manifest.stages.get(&stage);
        let why_and_version = match check_digest(stored, stage, known)? {
            DigestCheck::Record(_, existing, _) if existing == sha256 => return Ok(manifest),
            DigestCheck::Record(..) if known.is_some() => return Err(self.conflict(name)),
            // A stale writer lost the run between this file and the manifest. No stage builds on its file.
            DigestCheck::Record(_, _, version) => {
                Some(("a fenced writer's, named nowhere".to_owned(), version))
            }
            DigestCheck::Damaged(reason, version) => Some((reason, version)),
            DigestCheck::Nothing => None,
        };
        if let Some((reason, version)) = why_and_version {
            self.io.quarantine(name, &reason, Some(&version))?;
        }
        match self.io.backend.create(name, bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(self.io.fault(name, &io::ErrorKind::ResourceBusy.into()))
            }
            created => created.map(|()| manifest).map_err(|error| self.io.fault(name, &error)),
        }
    }

    pub(super) fn stored_stage(
        &self,
        record: &StageRecord,
        record_sha256: String,
        db_sync: DbSync,
    ) -> StageEntry {
        let meta = &record.meta;
        self.stage_entry(meta.stage, record_sha256, meta.payload_sha256.clone(), db_sync)
    }

    pub(super) fn stage_entry(
        &self,
        stage: Stage,
        record_sha256: String,
        payload_sha256: String,
        db_sync: DbSync,
    ) -> StageEntry {
        StageEntry {
            file: stage.file().to_owned(),
            record_sha256,
            payload_sha256,
            stored_at: self.io.clock.now(),
            pending_database: db_sync == DbSync::Pending,
        }
    }

    pub(super) fn mark_stage_synced(&self, run: &RunId, stage: Stage) -> Result<(), StorageError> {
        self.mark_synced(run, |manifest| {
            manifest.database.get_or_insert_default().has_row = true;
            if let Some(stored) = manifest.stages.get_mut(&stage) {
                stored.pending_database = false;
            }
        })
    }

    /// Notes that the database lacks these stages (none: only the run's end).
    pub(super) fn mark_unsynced(&self, fence: &Fence, stages: &[Stage]) -> Result<(), StorageError> {
        self.update(fence, |manifest| {
            manifest.database.get_or_insert_default();
            for stage in stages {
                if let Some(stored) = manifest.stages.get_mut(stage) {
                    stored.pending_database = true;
                }
            }
        })
    }
}
