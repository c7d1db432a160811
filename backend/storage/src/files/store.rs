//! The file store: its parts and its places. Its calls are in `ports.rs` and `operations.rs`.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use foundation::one_at_a_time::OneAtATime;
use pipeline::{clock::Clock, run::RunId};
use tokio::sync::{Notify, Semaphore};

use crate::{
    bulkhead::Bulkhead,
    error::StorageError,
    files::{
        backend::{file_backend::FileBackend, local_fs::LocalFs, s3::S3},
        breaker::FileBreaker,
        config::{StorageConfig, StoragePlace},
        layout::{REPORT_FILE, in_run},
        limits::{ATTEMPT_TIMEOUT, CALLS_MAX},
        mirror::{line::Together, queue::Mirror},
        run_files::RunFiles,
        spool::Spool,
        webhook_queue::WebhookQueue,
    },
    observer::{CallObserver, Unobserved},
};

/// The most memory of documents that wait for their copy in a bucket, in KiB: five of the largest, dozens of most.
const COPYING_KIB_MAX: usize = 128 * 1024;

/// Stores runs in a folder or a bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileStore {
    pub(super) files: Arc<RunFiles>,
    pub(super) bulkhead: Arc<Bulkhead>,
    pub(super) breaker: Option<Arc<FileBreaker>>,
    /// They come again and again, also while the files hang.
    pub(super) probes: OneAtATime,
    pub(super) claims: OneAtATime,
    /// The memory of documents that wait for their copy, in KiB.
    pub(super) copying_kib: Arc<Semaphore>,
    pub(super) mirror: Arc<Mirror>,
    pub(super) observer: Arc<dyn CallObserver>,
    pub(super) together: Together,
}

impl FileStore {
    /// Opens a store in a folder. It creates nothing until a run is accepted.
    #[must_use]
    pub fn new(root: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let spool = Spool::beside(&root);
        Self::over(Box::new(LocalFs::new(root)), spool, clock)
    }

    fn over(backend: Box<dyn FileBackend>, spool: Spool, clock: Arc<dyn Clock>) -> Self {
        let mirror = Arc::new(Mirror::new(clock.clone()));
        let files = Arc::new(RunFiles::new(backend, spool, WebhookQueue::default(), clock));
        let bulkhead = Arc::new(Bulkhead::new(CALLS_MAX, ATTEMPT_TIMEOUT));
        let (probes, claims) = Default::default();
        let copying_kib = Arc::new(Semaphore::new(COPYING_KIB_MAX));
        Self {
            files,
            bulkhead,
            breaker: None,
            probes,
            claims,
            copying_kib,
            mirror,
            together: Together::default(),
            observer: Arc::new(Unobserved),
        }
    }

    /// Opens the configured store without connecting. In a bucket, a process counts as dead once it has sent
    /// no heartbeat for one `lease`. All replicas that share the bucket must use the same lease.
    ///
    /// # Errors
    ///
    /// The bucket's HTTP client cannot be built, for example from a bad certificate file.
    pub fn of(config: &StorageConfig, lease: Duration, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let store = match &config.place {
            StoragePlace::Folder(root) => Self::new(root.clone(), clock),
            StoragePlace::Bucket(bucket) => {
                let backend = Box::new(S3::new(bucket, clock.clone(), lease)?);
                Self::over(backend, Spool::apart(&config.local), clock)
            }
        };
        Ok(store.with_document_retention(config.document_retention))
    }

    /// Queues a webhook with each state change that the database lacks, and wakes the dispatcher. Call it
    /// before the store is used.
    #[must_use]
    pub fn with_webhooks(mut self, wake: Option<Arc<Notify>>) -> Self {
        if let Some(files) = Arc::get_mut(&mut self.files) {
            files.webhook_queue = WebhookQueue::new(wake);
        }
        self
    }

    /// Reports each call.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn CallObserver>) -> Self {
        Self { observer, ..self }
    }

    /// Puts a breaker in front of the files. Somebody has to probe it; a command, which has nobody for that,
    /// does without.
    #[must_use]
    pub fn with_breaker(self) -> Self {
        let clock = self.files.io.clock.clone();
        let breaker = FileBreaker::new(self.place(), !self.is_on_disk(), clock);
        Self { breaker: Some(Arc::new(breaker)), ..self }
    }

    /// The breaker in front of the files, if there is one.
    #[must_use]
    pub fn breaker(&self) -> Option<&Arc<FileBreaker>> {
        self.breaker.as_ref()
    }

    /// Leaves damaged files in place, for commands that only compare. Call it before the store is used.
    #[must_use]
    pub fn into_read_only(mut self) -> Self {
        if let Some(files) = Arc::get_mut(&mut self.files) {
            files.io.read_only.store(true, Ordering::Relaxed);
        }
        self
    }

    /// Wakes the webhook dispatcher if the write succeeded.
    pub(super) fn wake_dispatcher<T>(&self, written: Result<T, StorageError>) -> Result<T, StorageError> {
        if let (Ok(_), Some(wake)) = (&written, &self.files.webhook_queue.wake) {
            wake.notify_one();
        }
        written
    }

    /// The location of all runs, for people: a folder, or `s3://…`.
    #[must_use]
    pub fn place(&self) -> String {
        self.files.io.backend.place("")
    }

    /// The location of a run, for people.
    #[must_use]
    pub fn place_of(&self, run: &RunId) -> String {
        self.files.io.backend.place(run.as_str())
    }

    /// The location of the run's report, for people.
    #[must_use]
    pub fn report_place(&self, run: &RunId) -> String {
        self.files.io.backend.place(&in_run(run, REPORT_FILE))
    }

    /// Whether [`FileStore::place`] is on this machine's disk.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.files.io.backend.detection_delay().is_zero()
    }

    /// Whether create-if-absent is proven to work among processes on all machines.
    #[must_use]
    pub fn has_shared_create_if_absent(&self) -> bool {
        self.files.io.backend.has_shared_create_if_absent()
    }
}

#[cfg(test)]
mod tests;
