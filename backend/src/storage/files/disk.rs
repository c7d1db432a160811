//! What the file store does on the disk: one blocking function an operation, each under the run's lock.

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use pipeline::{
    clock::{Clock, Timestamp},
    record::{StageRecord, sha256_hex},
    run::{RunId, RunStatus, Stage},
};
use serde::Serialize;

use super::{
    super::{
        Acceptance, Fence, HeldStage, NewRun, Places, Request, Snapshot, StorageError, StorageErrorKind,
        atomic,
    },
    Twin,
    control::reopen,
    manifest::{MANIFEST_VERSION, Manifest, StoredStage},
    marks::{OPEN_FOLDER, UNSYNCED_FOLDER},
    owners::Owners,
    proof::{Found, at, digest, read_bounded, read_stage},
    tombstone::deleted,
};
use crate::{crash, regular_file};

pub(super) const MANIFEST_FILE: &str = "run.json";
pub(super) const REPORT_FILE: &str = "report.md";
pub(super) const LOCK_FILE: &str = ".lock";
const SPOOL_FILE: &str = "document";

const OWNERS_FOLDER: &str = ".owners";

/// Runs below one folder.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) root: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    owners: Owners,
    /// Open runs that are known to have a row: a queue of thousands must not be read at every look for work.
    pub(super) with_row: Mutex<HashSet<RunId>>,
}

/// Why a run could not be opened by its id.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("run {0} is being worked on by another process; wait for it or choose another --run-id")]
    Busy(RunId),
    #[error("run {run} already exists for another {what}; choose another --run-id")]
    OtherRequest { run: RunId, what: &'static str },
    #[error("run {0} has been deleted; choose another --run-id")]
    Deleted(RunId),
    #[error(transparent)]
    Store(#[from] StorageError),
}

impl Disk {
    pub(super) fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let owners = Owners::new(root.join(OWNERS_FOLDER));
        Self { root, clock, owners, with_row: Mutex::default() }
    }

    pub(super) fn folder(&self, run: &RunId) -> PathBuf {
        // A `RunId` has no separator and no dot, so the path stays below the root and is none of our own folders.
        self.root.join(run.as_str())
    }

    /// The run may be claimed by its manifest again.
    pub(super) fn forget_row(&self, run: &RunId) {
        self.with_row.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    pub(super) fn spool_path(&self, run: &RunId) -> PathBuf {
        self.folder(run).join(SPOOL_FILE)
    }

    /// Holds the run's lock: changes of its manifest are read, compared and written by one at a time.
    pub(super) fn lock(&self, run: &RunId) -> Result<File, StorageError> {
        let path = self.folder(run).join(LOCK_FILE);
        let at = at(&path);
        match regular_file::check(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
            _ => {}
        }
        match File::options().create(true).truncate(false).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unknown(run)),
            opened => {
                let file = opened.map_err(at)?;
                file.lock().map_err(at)?;
                Ok(file)
            }
        }
    }

    /// Locks a run that may be new.
    pub(super) fn lock_new(&self, run: &RunId) -> Result<File, StorageError> {
        let folder = self.folder(run);
        atomic::create_folder(&folder).map_err(at(&folder))?;
        self.lock(run)
    }

    pub(super) fn accept(
        &self,
        new: &NewRun,
        owner: Option<&str>,
        twin: Twin,
    ) -> Result<Acceptance, StorageError> {
        let _lock = self.lock_new(&new.id)?;
        if self.is_buried(&new.id)? {
            return Ok(Acceptance::Deleted);
        }
        if let Some(manifest) = self.read_manifest(&new.id)? {
            return Ok(if manifest.request.digest == new.request.digest {
                Acceptance::Existing(manifest.status)
            } else {
                Acceptance::OtherRequest
            });
        }
        self.mark(OPEN_FOLDER, &new.id)?;
        let mut manifest = self.new_manifest(&new.id, new.request.clone(), new.accepted_at);
        manifest.database = twin.side();
        let fence = owner.map(|owner| self.own(&mut manifest, owner)).transpose()?;
        self.write_manifest(&mut manifest)?;
        Ok(Acceptance::New(fence))
    }

    fn new_manifest(&self, run: &RunId, request: Request, accepted_at: Timestamp) -> Manifest {
        Manifest {
            version: MANIFEST_VERSION,
            run_id: run.clone(),
            status: RunStatus::Processing,
            request,
            generation: 1,
            epoch: 0,
            attempts: 0,
            owner: None,
            document: None,
            accepted_at,
            updated_at: self.clock.now(),
            finished_at: None,
            stages: std::collections::BTreeMap::new(),
            report: None,
            error: None,
            lost_usd: 0.0,
            database: None,
            proof: None,
        }
    }

    /// Enters the owner in the manifest (not yet written) and gives it its fence.
    pub(super) fn own(&self, manifest: &mut Manifest, owner: &str) -> Result<Fence, StorageError> {
        self.owners.hold(owner).map_err(at(&self.root))?;
        manifest.owner = Some(owner.to_owned());
        manifest.epoch += 1;
        manifest.attempts += 1;
        Ok(fence_of(manifest, owner))
    }

    pub(super) fn is_held(&self, manifest: &Manifest) -> Result<bool, StorageError> {
        match &manifest.owner {
            Some(owner) => self.owners.is_alive(owner).map_err(at(&self.root)),
            None => Ok(false),
        }
    }

    /// Opens a run by its id: a new one, or one that asks the same; an ended one goes on as a new generation.
    pub(super) fn open(&self, new: &NewRun, owner: &str) -> Result<(Fence, Manifest), OpenError> {
        let _lock = self.lock_new(&new.id)?;
        if self.is_buried(&new.id)? {
            return Err(OpenError::Deleted(new.id.clone()));
        }
        let mut manifest = match self.read_manifest(&new.id)? {
            None => self.new_manifest(&new.id, new.request.clone(), new.accepted_at),
            Some(manifest) if manifest.request.digest != new.request.digest => {
                let same_brand = manifest.request.brand_id == new.request.brand_id;
                let what = if same_brand { "document" } else { "brand" };
                return Err(OpenError::OtherRequest { run: new.id.clone(), what });
            }
            Some(manifest) if self.is_held(&manifest)? => return Err(OpenError::Busy(new.id.clone())),
            Some(manifest) => manifest,
        };
        if manifest.has_ended() {
            manifest.generation += 1;
            manifest.attempts = 0;
            reopen(&mut manifest);
        }
        let fence = self.take(&mut manifest, owner)?;
        Ok((fence, manifest))
    }

    /// The run's manifest with its stages and its report, as they prove themselves. Changes nothing.
    pub(super) fn load(&self, run: &RunId) -> Result<Option<Snapshot>, StorageError> {
        if self.is_buried(run)? {
            return Ok(None);
        }
        let Some(manifest) = self.read_manifest(run)? else { return Ok(None) };
        let folder = self.folder(run);
        let mut stages = std::collections::BTreeMap::new();
        for stage in Stage::ALL {
            let path = folder.join(stage.file());
            match read_stage(&path, stage, manifest.stages.get(&stage))? {
                Found::Record(record, sha256) => {
                    stages.insert(stage, HeldStage { record: *record, sha256, places: Places::FILES });
                }
                Found::Nothing => {}
                Found::Damaged(reason) => {
                    tracing::warn!(path = %path.display(), reason, "damaged stage file");
                }
            }
        }
        let report_path = folder.join(REPORT_FILE);
        let report = match &manifest.report {
            Some(stored) => read_bounded(&report_path)
                .map_err(at(&report_path))?
                .filter(|bytes| sha256_hex(bytes) == stored.sha256)
                .and_then(|bytes| String::from_utf8(bytes).ok()),
            None => None,
        };
        let is_leased = self.is_held(&manifest)?;
        Ok(Some(Snapshot {
            id: manifest.run_id,
            request: Some(manifest.request),
            status: manifest.status,
            generation: manifest.generation,
            epoch: manifest.epoch,
            accepted_at: Some(manifest.accepted_at),
            finished_at: manifest.finished_at,
            stages,
            report,
            failure: manifest.error,
            lost_usd: manifest.lost_usd,
            is_leased,
            places: Places::FILES,
        }))
    }

    pub(super) fn store_stage(
        &self,
        fence: &Fence,
        record: &StageRecord,
        twin: Twin,
    ) -> Result<(), StorageError> {
        let stage = record.meta.stage;
        let path = self.folder(&fence.run).join(stage.file());
        let sha256 = digest(record)?;
        let bytes = json_bytes(record, &path)?;
        let _lock = self.lock(&fence.run)?;
        let mut manifest = self.fenced_manifest(fence)?;
        if let Some(folder) = path.parent() {
            atomic::create_folder(folder).map_err(at(folder))?;
        }
        match atomic::create(&path, &bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match read_stage(&path, stage, manifest.stages.get(&stage))? {
                    Found::Record(_, existing) if existing == sha256 => {}
                    Found::Record(..) => {
                        return Err(StorageError::new(
                            StorageErrorKind::Conflict,
                            format!("{} already holds a different record; both are kept", path.display()),
                        ));
                    }
                    Found::Nothing => return Err(at(&path)(io::ErrorKind::Interrupted.into())),
                    Found::Damaged(reason) => {
                        self.set_aside(&path, &reason)?;
                        atomic::create(&path, &bytes).map_err(at(&path))?;
                    }
                }
            }
            created => created.map_err(at(&path))?,
        }
        crash::point("stage-file-written");
        manifest.stages.insert(stage, self.stored_stage(record, sha256, twin));
        manifest.attempts = 0;
        if twin == Twin::Has {
            manifest.database.get_or_insert_default().has_row = true;
        }
        self.write_manifest(&mut manifest)?;
        tracing::info!(run_id = %fence.run, stage = stage.number(), "[{}] Wrote Stage {} to file", fence.run, stage.number());
        Ok(())
    }

    pub(super) fn stored_stage(
        &self,
        record: &StageRecord,
        record_sha256: String,
        twin: Twin,
    ) -> StoredStage {
        StoredStage {
            file: record.meta.stage.file().to_owned(),
            record_sha256,
            payload_sha256: record.meta.payload_sha256.clone(),
            stored_at: self.clock.now(),
            unsynced: twin == Twin::Lacks,
        }
    }

    /// Changes the manifest under the fence.
    pub(super) fn update(
        &self,
        fence: &Fence,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), StorageError> {
        let _lock = self.lock(&fence.run)?;
        let mut manifest = self.fenced_manifest(fence)?;
        change(&mut manifest);
        self.write_manifest(&mut manifest)
    }

    /// The manifest, if the fence still holds. One from before the claim is brought up to it.
    pub(super) fn fenced_manifest(&self, fence: &Fence) -> Result<Manifest, StorageError> {
        let run = &fence.run;
        let Some(mut manifest) = self.read_manifest(run)? else {
            return Err(StorageError::new(
                StorageErrorKind::Refused,
                format!("there is no run {run} in files"),
            ));
        };
        let newer = (manifest.generation, manifest.epoch) > (fence.generation, fence.epoch);
        if newer || (manifest.has_ended() && manifest.generation == fence.generation) {
            let what = if newer { "has been taken by somebody else" } else { "has ended" };
            return Err(StorageError::new(StorageErrorKind::Fenced, format!("run {run} {what}")));
        }
        manifest.generation = fence.generation;
        manifest.epoch = fence.epoch;
        manifest.owner = Some(fence.owner.clone());
        Ok(manifest)
    }

    /// Makes sure that a run which the database has given us stands in files too, with its owner alive.
    pub(super) fn adopt(&self, new: &NewRun, fence: &Fence) -> Result<(), StorageError> {
        self.owners.hold(&fence.owner).map_err(at(&self.root))?;
        let _lock = self.lock_new(&new.id)?;
        if self.is_buried(&new.id)? {
            return Err(deleted(&new.id));
        }
        let mut manifest = match self.read_manifest(&new.id)? {
            Some(manifest) => manifest,
            None => {
                self.mark(OPEN_FOLDER, &new.id)?;
                self.new_manifest(&new.id, new.request.clone(), new.accepted_at)
            }
        };
        let side = manifest.database.get_or_insert_default();
        side.has_row |= fence.holds_row;
        if manifest.generation < fence.generation {
            manifest.generation = fence.generation;
            reopen(&mut manifest);
            self.mark(OPEN_FOLDER, &new.id)?;
        }
        if manifest.has_ended() || manifest.epoch > fence.epoch {
            return self.write_manifest(&mut manifest);
        }
        // `take` raises both by one; the database has done so already.
        manifest.epoch = fence.epoch - 1;
        manifest.attempts = fence.attempt - 1;
        self.take(&mut manifest, &fence.owner).map(drop)
    }

    pub(super) fn read_manifest(&self, run: &RunId) -> Result<Option<Manifest>, StorageError> {
        let path = self.folder(run).join(MANIFEST_FILE);
        let Some(bytes) = read_bounded(&path).map_err(at(&path))? else { return Ok(None) };
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(manifest) if manifest.version > MANIFEST_VERSION => Err(StorageError::new(
                StorageErrorKind::Refused,
                format!(
                    "{} was written by a newer version of this program (layout {}, known is {MANIFEST_VERSION}); use that version",
                    path.display(),
                    manifest.version
                ),
            )),
            Ok(manifest) => Ok(Some(manifest)),
            // The stage files prove themselves; what was asked is told anew by whoever asks.
            Err(error) => {
                self.set_aside(&path, &error.to_string())?;
                Ok(None)
            }
        }
    }

    pub(super) fn write_manifest(&self, manifest: &mut Manifest) -> Result<(), StorageError> {
        let path = self.folder(&manifest.run_id).join(MANIFEST_FILE);
        manifest.updated_at = self.clock.now().max(manifest.accepted_at);
        atomic::replace(&path, &json_bytes(manifest, &path)?).map_err(at(&path))
    }

    pub(super) fn mark_stage_synced(&self, run: &RunId, stage: Stage) -> Result<(), StorageError> {
        self.mark_synced(run, |manifest| {
            manifest.database.get_or_insert_default().has_row = true;
            if let Some(stored) = manifest.stages.get_mut(&stage) {
                stored.unsynced = false;
            }
        })
    }

    /// Changes what the manifest says of the database, of a run in any state.
    pub(super) fn mark_synced(
        &self,
        run: &RunId,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), StorageError> {
        let _lock = self.lock(run)?;
        let Some(mut manifest) = self.read_manifest(run)? else { return Ok(()) };
        change(&mut manifest);
        self.write_manifest(&mut manifest)?;
        if manifest.is_unsynced() {
            return Ok(());
        }
        self.clear_temporaries(run)?;
        self.unmark(UNSYNCED_FOLDER, run)
    }

    /// Keeps a damaged file for whoever looks into it.
    pub(super) fn set_aside(&self, path: &Path, reason: &str) -> Result<(), StorageError> {
        let aside = self.move_aside(path, "corrupt")?;
        tracing::warn!(path = %path.display(), kept_as = %aside.display(), reason, "damaged file set aside");
        Ok(())
    }

    /// Keeps a file under a name that no run reads: its own, why, and when.
    pub(super) fn move_aside(&self, path: &Path, why: &str) -> Result<PathBuf, StorageError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
        let aside = path.with_file_name(format!("{name}.{why}-{}", self.stamp()));
        atomic::rename(path, &aside).map_err(at(path))?;
        Ok(aside)
    }

    /// Now, for the name of a file.
    pub(super) fn stamp(&self) -> String {
        self.clock.now().format("%Y%m%dT%H%M%S%3fZ").to_string()
    }

    /// Keeps the document for a resumed run, durably.
    pub(super) fn spool(&self, run: &RunId, bytes: &[u8]) -> Result<(), StorageError> {
        let path = self.spool_path(run);
        if self.is_buried(run)? {
            return Err(deleted(run));
        }
        atomic::replace(&path, bytes).map_err(at(&path))
    }

    /// The spooled document, if it is there.
    pub(super) fn spooled(&self, run: &RunId) -> Result<Option<Vec<u8>>, StorageError> {
        let path = self.spool_path(run);
        read_bounded(&path).map_err(at(&path))
    }

    /// Whether the disk takes a durable write now.
    pub(super) fn probe(&self) -> Result<(), StorageError> {
        atomic::create_folder(&self.root).map_err(at(&self.root))?;
        let path = self.root.join(".probe");
        atomic::replace(&path, b"writable\n").map_err(at(&path))
    }
}

/// What a JSON file holds.
pub(super) fn json_bytes(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, StorageError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| at(path)(io::Error::other(error)))?;
    bytes.push(b'\n');
    Ok(bytes)
}

pub(super) fn unknown(run: &RunId) -> StorageError {
    StorageError::new(StorageErrorKind::Unknown, format!("there is no run {run} in files"))
}

pub(super) fn fence_of(manifest: &Manifest, owner: &str) -> Fence {
    Fence {
        run: manifest.run_id.clone(),
        owner: owner.to_owned(),
        epoch: manifest.epoch,
        generation: manifest.generation,
        attempt: manifest.attempts,
        holds_row: false,
    }
}
