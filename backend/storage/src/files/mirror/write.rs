//! Writes a group of runs: the files of all, flushed together, and then their manifests, flushed together. The mirror's groups
//! hold what the database has; in `FILE_ONLY` and outages, those of concurrent runs hold what each waits for.

use std::{fs::File, io};

use foundation::failpoints;
use pipeline::{clock::Timestamp, record::sha256_hex, run::Stage};

use super::batch::{Batch, MirrorPart, StageBytes};
use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync,
        layout::{OPEN_FOLDER, REPORT_FILE, SPOOL_FILE, in_run},
        manifest::{Manifest, StoredReport},
        run_files::RunFiles,
        runs::finish::OwnedEnd,
        tombstones::deleted,
    },
    ports::outbox::WebhookEvent,
    private_tree::GroupFile,
    run::RunSubmission,
};

/// A run whose lock is held and whose fence holds.
struct Open<'b> {
    batch: &'b Batch,
    manifest: Manifest,
    _lock: Option<File>,
}

/// One file of a batch.
struct Plan<'b> {
    part: &'b MirrorPart,
    name: String,
    bytes: &'b [u8],
    is_new: bool,
}

impl Plan<'_> {
    fn file(&self) -> GroupFile<'_> {
        GroupFile { name: &self.name, bytes: self.bytes, is_new: self.is_new }
    }
}

/// A run of the group. `Ok(None)`: another process has written the same end.
type Member<'b> = Result<Option<Open<'b>>, StorageError>;

impl RunFiles {
    /// Writes a group of batches, each under its fence. The results are in the order of the batches, which is the order
    /// of their runs. A batch that fails may be written in part, as after a crash.
    pub(super) fn write_group(&self, batches: &[impl AsRef<Batch>]) -> Vec<Result<(), StorageError>> {
        failpoints::hit("mirror-begins");
        let mut group: Vec<Member<'_>> =
            batches.iter().map(|batch| self.open_batch(batch.as_ref())).collect();
        self.write_files(&mut group);
        failpoints::hit("mirror-files-written");
        self.write_manifests(&mut group);
        group.into_iter().map(|member| self.end_batch(member)).collect()
    }

    /// It waits for no lock: the owner of a lock holds up this run alone, which is then written without the others.
    fn open_batch<'b>(&self, batch: &'b Batch) -> Member<'b> {
        let (fence, run) = (&batch.fence, &batch.fence.run);
        let begun = batch.begun();
        let lock = match begun {
            Some(_) => {
                // The manifest must not name an owner who does not seem to live.
                self.owners.hold(&fence.owner)?;
                self.io.try_lock(run, true)?
            }
            None => self.io.try_lock(run, false)?,
        };
        let (is_deleted, known) = self.manifests.read_run(run)?;
        if is_deleted {
            return Err(deleted(run));
        }
        // A sweep of another process has found the ended row.
        let has_this_end = known.as_ref().is_some_and(|known| {
            known.has_ended()
                && Some(known.status) == batch.end_status()
                && known.generation == fence.generation
                // Without the database, only an earlier attempt of this claim counts.
                && (batch.db_sync.is_synced() || known.term() == fence.term())
        });
        if has_this_end {
            return Ok(None);
        }
        let manifest = match (begun, known) {
            (None, known) => self.manifests.fenced(fence, known)?,
            (Some(new), None) if self.holds_nothing(run)? => self.begin(new, batch)?,
            (Some(new), _) => {
                self.adopt_locked(new, fence)?;
                self.manifests.read_fenced(fence)?
            }
        };
        Ok(Some(Open { batch, manifest, _lock: lock }))
    }

    /// The manifest of a run that has just begun, as `adopt` would leave it. A run that also ends with these parts needs no
    /// marker: no search for open runs has to find it.
    fn begin(&self, new: &RunSubmission, batch: &Batch) -> Result<Manifest, StorageError> {
        let fence = &batch.fence;
        let mut manifest = self.manifests.blank(&new.id, new.request.clone(), new.accepted_at);
        if batch.end_status().is_none() {
            self.markers.mark_with_manifest(&mut manifest, OPEN_FOLDER)?;
        }
        self.manifests.note_run(&manifest)?;
        manifest.database.get_or_insert_default().has_row |= fence.owns_row;
        manifest.note_row_stages(&fence.row_stages);
        // `own` raises both, as the row has already.
        manifest.epoch = fence.epoch - 1;
        manifest.attempts = fence.attempt - 1;
        self.owners.own(&mut manifest, &fence.owner)?;
        Ok(manifest)
    }

    /// Writes documents, stages and reports. A run whose file fails is left out from here on.
    fn write_files(&self, group: &mut [Member<'_>]) {
        let plans: Vec<Vec<Plan<'_>>> = group
            .iter()
            .map(|member| match member {
                Ok(Some(open)) => self.plan(open.batch),
                _ => Vec::new(),
            })
            .collect();
        let files: Vec<GroupFile<'_>> = plans.iter().flatten().map(Plan::file).collect();
        let mut written = self.io.backend.write_all(&files).into_iter();
        for (member, plans) in group.iter_mut().zip(&plans) {
            let missing = || Err(io::ErrorKind::Other.into());
            let results: Vec<io::Result<()>> =
                plans.iter().map(|_| written.next().unwrap_or_else(missing)).collect();
            if let Ok(Some(open)) = member
                && let Err(error) = self.note_files(open, plans, results)
            {
                *member = Err(error);
            }
        }
    }

    /// The files of a batch.
    fn plan<'b>(&self, batch: &'b Batch) -> Vec<Plan<'b>> {
        let run = &batch.fence.run;
        // Nobody resumes an ended run.
        let needs_document = batch.end_status().is_none() || self.document_retention.is_some();
        let plan = |part: &'b MirrorPart| match part {
            MirrorPart::Stage(stored) => Some(Plan {
                part,
                name: in_run(run, stored.stage.file()),
                bytes: &stored.bytes,
                is_new: true,
            }),
            MirrorPart::Document(bytes) if needs_document => {
                Some(Plan { part, name: in_run(run, SPOOL_FILE), bytes, is_new: false })
            }
            // A stale writer may write here too late, but it writes the same bytes: the report is derived from the records.
            MirrorPart::End(OwnedEnd::Completed { report, .. }, _) => {
                Some(Plan { part, name: in_run(run, REPORT_FILE), bytes: report.as_bytes(), is_new: false })
            }
            MirrorPart::Begin(_) | MirrorPart::Document(_) | MirrorPart::End(..) => None,
        };
        batch.parts.iter().filter_map(plan).collect()
    }

    /// Settles files that were there already, and notes all parts in the manifest.
    fn note_files(
        &self,
        open: &mut Open<'_>,
        plans: &[Plan<'_>],
        results: Vec<io::Result<()>>,
    ) -> Result<(), StorageError> {
        let (fence, batch) = (&open.batch.fence, open.batch);
        for (Plan { part, name, .. }, written) in plans.iter().zip(results) {
            match (part, written) {
                (MirrorPart::Stage(stage), Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let StageBytes { stage, record_sha256, bytes, .. } = stage;
                    let unflushed = std::mem::take(&mut open.manifest.unflushed);
                    open.manifest = self.settle(fence, *stage, name, record_sha256, bytes)?;
                    open.manifest.unflushed.extend(unflushed);
                }
                (_, written) => written.map_err(|error| self.io.fault(name, &error))?,
            }
            open.manifest.flush_with(name);
        }
        if let Some(document) = &batch.document {
            open.manifest.document = Some(document.clone());
        }
        for part in &batch.parts {
            match part {
                MirrorPart::Begin(_) | MirrorPart::Document(_) => {}
                MirrorPart::Stage(stage) => self.note_stage(&mut open.manifest, stage, batch.db_sync)?,
                MirrorPart::End(end, at) => {
                    self.note_batch_end(&mut open.manifest, (end, *at), batch.db_sync)?;
                }
            }
        }
        Ok(())
    }

    fn note_batch_end(
        &self,
        manifest: &mut Manifest,
        (end, at): (&OwnedEnd, Timestamp),
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        // An earlier process may have died before the files had a stage of the row.
        let mut is_whole = true;
        match end {
            OwnedEnd::Completed { report, .. } => {
                failpoints::hit("report-written");
                let sha256 = sha256_hex(report.as_bytes());
                manifest.report = Some(StoredReport { file: REPORT_FILE.to_owned(), sha256 });
                manifest.error = None;
                is_whole = Stage::ALL.iter().all(|stage| manifest.stages.contains_key(stage));
            }
            OwnedEnd::Failed(failure) => {
                manifest.lost_usd += failure.usage.cost_usd;
                manifest.error = Some(failure.clone());
            }
        }
        let db_sync = match db_sync {
            _ if is_whole => db_sync,
            DbSync::Synced | DbSync::Diverged => DbSync::Diverged,
            // The run has the records, and a write of its own adds the stage.
            DbSync::NotTracked | DbSync::Pending => {
                let what = format!("the files of run {} lack a stage", manifest.run_id);
                return Err(StorageError::new(StorageErrorKind::Unavailable, what));
            }
        };
        self.note_end(manifest, end.borrowed().status(), at, db_sync)
    }

    fn note_stage(
        &self,
        manifest: &mut Manifest,
        stored: &StageBytes,
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        failpoints::hit("stage-file-written");
        let StageBytes { stage, record_sha256, payload_sha256, .. } = stored;
        let (record, payload) = (record_sha256.clone(), payload_sha256.clone());
        manifest.stages.insert(*stage, self.stage_entry(*stage, record, payload, db_sync));
        manifest.attempts = 0;
        manifest.waiting = None;
        if db_sync.is_synced() {
            manifest.database.get_or_insert_default().has_row = true;
        }
        self.enqueue_events(manifest, &[WebhookEvent::Stage(*stage)], db_sync)?;
        self.enqueue_step(manifest, db_sync)
    }

    fn write_manifests(&self, group: &mut [Member<'_>]) {
        let (mut manifests, mut places) = (Vec::new(), Vec::new());
        for (place, member) in group.iter_mut().enumerate() {
            if let Ok(Some(open)) = member {
                places.push(place);
                manifests.push(&mut open.manifest);
            }
        }
        let written = self.manifests.write_all(&mut manifests);
        for (place, written) in places.into_iter().zip(written) {
            if let (Err(error), Some(member)) = (written, group.get_mut(place)) {
                *member = Err(error);
            }
        }
    }

    /// Logs what is written, and removes the remains of an open run. The lock goes with the member.
    fn end_batch(&self, member: Member<'_>) -> Result<(), StorageError> {
        let Some(open) = member? else { return Ok(()) };
        let run = &open.batch.fence.run;
        for stage in open.batch.stages().map(|stored| stored.stage.number()) {
            tracing::info!(event = "stage_file_written", run_id = %run, stage, "[{run}] Wrote Stage {stage} to file");
        }
        if open.batch.end_status().is_some() { self.clear_open(run) } else { Ok(()) }
    }
}
