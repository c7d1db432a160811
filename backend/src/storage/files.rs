//! Runs in files: atomic, durable, digest-checked on read.
//!
//! # Invariants
//!
//! * A stage file is created once and never replaced; a different record for it is a conflict.
//! * The stage file is durable before the manifest names it. After a crash in between, the record's own
//!   payload digest still proves it.
//! * A run's folder has one writer: whoever holds its lock ([`FileStore::open_run`]).

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use pipeline::{
    clock::Clock,
    record::{StageRecord, sha256_hex},
    run::{RunId, RunStatus, Stage},
    store::{RunStore, StoreDisposition, StoreError},
};

use super::{
    atomic,
    manifest::{MANIFEST_VERSION, Manifest, Request, StoredReport, StoredStage},
};

const MANIFEST_FILE: &str = "run.json";
const REPORT_FILE: &str = "report.md";
const LOCK_FILE: &str = ".lock";

/// The largest file that is read back. A record of a 400-page report has some 100 KB.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// How long one attempt at a write may take before it is given up (a dead network disk never answers).
/// It may still finish later, which does no harm: stage files are create-only.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Further attempts after a failed write.
const RETRIES_MAX: usize = 3;

/// Runs below one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileStore {
    root: PathBuf,
    clock: Arc<dyn Clock>,
}

/// Why a run could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("run {0} is being worked on by another process; wait for it or choose another --run-id")]
    Busy(RunId),
    #[error("run {run} already exists for another {what}; choose another --run-id")]
    OtherRequest { run: RunId, what: &'static str },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A run that this process alone may write to, until it is dropped.
#[derive(Debug)]
pub struct OpenRun {
    pub manifest: Manifest,
    // Locked; the operating system releases it, also after a SIGKILL.
    _lock: File,
}

impl FileStore {
    /// A store below `root`; nothing is created until a run is opened.
    #[must_use]
    pub fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { root, clock }
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self, run: &RunId) -> PathBuf {
        // A `RunId` has no separator and no dot, so the path stays below the root.
        self.root.join(run.as_str())
    }

    /// Where the run's report lies.
    #[must_use]
    pub fn report_path(&self, run: &RunId) -> PathBuf {
        self.folder(run).join(REPORT_FILE)
    }

    /// Opens a run for work: a new one, or one that asks the same.
    pub async fn open_run(&self, run: &RunId, request: Request) -> Result<OpenRun, OpenError> {
        let store = self.clone();
        let run = run.clone();
        let opening = tokio::task::spawn_blocking(move || store.open_run_blocking(&run, request));
        opening.await.map_err(|error| failed(&self.root, &io::Error::other(error)))?
    }

    fn open_run_blocking(&self, run: &RunId, request: Request) -> Result<OpenRun, OpenError> {
        let folder = self.folder(run);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| failed(&path, &error)
        };
        atomic::create_folder(&folder).map_err(at(&folder))?;
        let lock_path = folder.join(LOCK_FILE);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Busy(run.clone())),
            Err(TryLockError::Error(error)) => return Err(failed(&lock_path, &error).into()),
        }
        for stage in Stage::ALL {
            let path = folder.join(stage.file());
            if let Some(stage_folder) = path.parent() {
                atomic::create_folder(stage_folder).map_err(at(stage_folder))?;
                atomic::remove_temporaries(stage_folder).map_err(at(stage_folder))?;
            }
        }
        atomic::remove_temporaries(&folder).map_err(at(&folder))?;
        let mut manifest = match self.read_manifest(run)? {
            Some(manifest) if manifest.request.asks_the_same(&request) => manifest,
            Some(manifest) => {
                let what = if manifest.request.brand_id == request.brand_id { "document" } else { "brand" };
                return Err(OpenError::OtherRequest { run: run.clone(), what });
            }
            None => self.new_manifest(run, request),
        };
        manifest.status = RunStatus::Processing;
        manifest.error = None;
        self.write_manifest(&mut manifest)?;
        Ok(OpenRun { manifest, _lock: lock })
    }

    fn new_manifest(&self, run: &RunId, request: Request) -> Manifest {
        let now = self.clock.now();
        Manifest {
            version: MANIFEST_VERSION,
            run_id: run.clone(),
            status: RunStatus::Processing,
            request,
            document: None,
            created_at: now,
            updated_at: now,
            stages: std::collections::BTreeMap::new(),
            report: None,
            error: None,
            lost_usd: 0.0,
        }
    }

    /// Changes the manifest, durably. The caller holds the run open.
    pub async fn update(
        &self,
        run: &RunId,
        change: impl FnOnce(&mut Manifest) + Send + 'static,
    ) -> Result<Manifest, StoreError> {
        let store = self.clone();
        let run = run.clone();
        let path = self.folder(&run).join(MANIFEST_FILE);
        tokio::task::spawn_blocking(move || store.update_blocking(&run, change))
            .await
            .map_err(|error| failed(&path, &io::Error::other(error)))?
    }

    fn update_blocking(
        &self,
        run: &RunId,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<Manifest, StoreError> {
        let path = self.folder(run).join(MANIFEST_FILE);
        let missing = || failed(&path, &io::Error::from(io::ErrorKind::NotFound));
        let mut manifest = self.read_manifest(run)?.ok_or_else(missing)?;
        change(&mut manifest);
        self.write_manifest(&mut manifest)?;
        Ok(manifest)
    }

    /// The run's manifest, if there is one. A damaged one is set aside: the stage files prove themselves.
    fn read_manifest(&self, run: &RunId) -> Result<Option<Manifest>, StoreError> {
        let path = self.folder(run).join(MANIFEST_FILE);
        let Some(bytes) = read_bounded(&path).map_err(|error| failed(&path, &error))? else {
            return Ok(None);
        };
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(manifest) if manifest.version > MANIFEST_VERSION => Err(StoreError {
                message: format!(
                    "{} was written by a newer version of this program (layout {}, known is {MANIFEST_VERSION}); use that version",
                    path.display(),
                    manifest.version
                ),
                disposition: StoreDisposition::Fail,
            }),
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => {
                self.set_aside(&path, &error.to_string())?;
                Ok(None)
            }
        }
    }

    fn write_manifest(&self, manifest: &mut Manifest) -> Result<(), StoreError> {
        let path = self.folder(&manifest.run_id).join(MANIFEST_FILE);
        manifest.updated_at = self.clock.now().max(manifest.created_at);
        let mut bytes =
            serde_json::to_vec_pretty(manifest).map_err(|error| failed(&path, &io::Error::other(error)))?;
        bytes.push(b'\n');
        atomic::replace(&path, &bytes).map_err(|error| failed(&path, &error))
    }

    /// Keeps a damaged file for whoever looks into it, under a name that no run reads.
    fn set_aside(&self, path: &Path, reason: &str) -> Result<(), StoreError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
        let aside =
            path.with_file_name(format!("{name}.corrupt-{}", self.clock.now().format("%Y%m%dT%H%M%S%3fZ")));
        atomic::rename(path, &aside).map_err(|error| failed(path, &error))?;
        tracing::warn!(path = %path.display(), kept_as = %aside.display(), reason, "damaged file set aside");
        Ok(())
    }

    fn load_stage_blocking(&self, run: &RunId, stage: Stage) -> Result<Option<StageRecord>, StoreError> {
        let path = self.folder(run).join(stage.file());
        let known = self.read_manifest(run)?.and_then(|manifest| manifest.stages.get(&stage).cloned());
        let Some(bytes) = read_bounded(&path).map_err(|error| failed(&path, &error))? else {
            if known.is_some() {
                tracing::warn!(path = %path.display(), "stored stage is missing; it will be run again");
            }
            return Ok(None);
        };
        let record =
            StageRecord::from_bytes(stage, &bytes).map_err(|error| error.to_string()).and_then(|record| {
                let digest = record.sha256().map_err(|error| error.to_string())?;
                match &known {
                    Some(known) if known.record_sha256 != digest => {
                        Err(format!("has record digest {digest}, the manifest says {}", known.record_sha256))
                    }
                    _ => Ok(record),
                }
            });
        match record {
            Ok(record) => {
                // A crash between the stage file and the manifest: the file has proved itself, so it is named now.
                if known.is_none() {
                    self.name_stage(run, &record)?;
                }
                Ok(Some(record))
            }
            Err(reason) => {
                self.set_aside(&path, &reason)?;
                Ok(None)
            }
        }
    }

    /// Enters a durable stage file in the manifest.
    fn name_stage(&self, run: &RunId, record: &StageRecord) -> Result<(), StoreError> {
        let stage = record.meta.stage;
        let stored = StoredStage {
            file: stage.file().to_owned(),
            record_sha256: digest(record)?,
            payload_sha256: record.meta.payload_sha256.clone(),
            stored_at: self.clock.now(),
        };
        self.update_blocking(run, |manifest| {
            manifest.stages.insert(stage, stored);
        })?;
        Ok(())
    }

    fn store_stage_blocking(&self, run: &RunId, record: &StageRecord) -> Result<(), StoreError> {
        let stage = record.meta.stage;
        let path = self.folder(run).join(stage.file());
        let digest = digest(record)?;
        let mut bytes =
            serde_json::to_vec_pretty(record).map_err(|error| failed(&path, &io::Error::other(error)))?;
        bytes.push(b'\n');
        match atomic::create(&path, &bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let existing = read_bounded(&path)
                    .map_err(|error| failed(&path, &error))?
                    .and_then(|bytes| StageRecord::from_bytes(stage, &bytes).ok());
                if existing.and_then(|record| record.sha256().ok()).as_ref() != Some(&digest) {
                    return Err(StoreError {
                        message: format!(
                            "{} already holds a different record; both are kept",
                            path.display()
                        ),
                        disposition: StoreDisposition::Fail,
                    });
                }
            }
            Err(error) => return Err(failed(&path, &error)),
        }
        self.name_stage(run, record)?;
        tracing::info!(run_id = %run, stage = stage.number(), "[{run}] Wrote Stage {} to file", stage.number());
        Ok(())
    }

    fn store_report_blocking(&self, run: &RunId, markdown: &str) -> Result<(), StoreError> {
        let path = self.report_path(run);
        atomic::replace(&path, markdown.as_bytes()).map_err(|error| failed(&path, &error))?;
        let stored = StoredReport { file: REPORT_FILE.to_owned(), sha256: sha256_hex(markdown.as_bytes()) };
        self.update_blocking(run, |manifest| manifest.report = Some(stored))?;
        Ok(())
    }

    /// Runs a blocking write, bounded in time, a few times where trying again can help.
    async fn write(
        &self,
        run: &RunId,
        work: impl Fn(&Self) -> Result<(), StoreError> + Send + Sync + Clone + 'static,
    ) -> Result<(), StoreError> {
        let folder = self.folder(run);
        let attempt = || async {
            let store = self.clone();
            let work = work.clone();
            let writing = tokio::task::spawn_blocking(move || work(&store));
            match tokio::time::timeout(ATTEMPT_TIMEOUT, writing).await {
                Ok(Ok(result)) => result,
                Ok(Err(error)) => Err(failed(&folder, &io::Error::other(error))),
                Err(_) => Err(failed(&folder, &io::Error::from(io::ErrorKind::TimedOut))),
            }
        };
        attempt
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(50))
                    .with_max_times(RETRIES_MAX),
            )
            .when(|error| error.disposition == StoreDisposition::Retry)
            .notify(|error, delay| tracing::warn!(%error, ?delay, "file write failed; trying again"))
            .await
    }
}

#[async_trait]
impl RunStore for FileStore {
    async fn load_stage(&self, run: &RunId, stage: Stage) -> Result<Option<StageRecord>, StoreError> {
        let store = self.clone();
        let run = run.clone();
        tokio::task::spawn_blocking(move || store.load_stage_blocking(&run, stage))
            .await
            .map_err(|error| failed(&self.root, &io::Error::other(error)))?
    }

    async fn store_stage(&self, run: &RunId, record: &StageRecord) -> Result<(), StoreError> {
        let (id, record) = (run.clone(), Arc::new(record.clone()));
        self.write(run, move |store| store.store_stage_blocking(&id, &record)).await
    }

    async fn store_report(&self, run: &RunId, markdown: &str) -> Result<(), StoreError> {
        let (id, markdown) = (run.clone(), Arc::<str>::from(markdown));
        self.write(run, move |store| store.store_report_blocking(&id, &markdown)).await
    }
}

/// The digest of a whole record, kept beside it.
fn digest(record: &StageRecord) -> Result<String, StoreError> {
    record.sha256().map_err(|error| StoreError {
        message: format!("the record of {} {error}", record.meta.stage),
        disposition: StoreDisposition::Fail,
    })
}

/// An I/O error with the path it met; the error's text names the errno.
fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError { message: format!("{}: {error}", path.display()), disposition: StoreDisposition::Retry }
}

/// A file's bytes; none where there is no file.
fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = fs::File::metadata(&file)?.len();
    if length > FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{length} bytes, at most {FILE_BYTES_MAX} are read"),
        ));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
