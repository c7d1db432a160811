//! Gives the stage loop one run: the router under the run's fence.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use pipeline::{
    record::StageRecord,
    run::Stage,
    store::{RunStore, StoreError, WriteMode},
};
use tracing::Instrument as _;

use crate::{
    error::{StorageError, StorageErrorKind},
    ports::lifecycle::Fence,
    router::Router,
};
use foundation::failpoints;

/// A run that this process works on.
#[derive(Debug)]
pub struct LeasedRun<'a> {
    router: &'a Router,
    fence: &'a Fence,
    /// The stages that were stored when the work began, until it takes them: thousands of runs wait at once.
    stored: Mutex<Vec<StageRecord>>,
    is_lost: AtomicBool,
    waited: Mutex<Waited>,
}

/// Time spent waiting for storage.
#[derive(Debug, Default)]
struct Waited {
    before: Duration,
    /// The start of the current wait, by the monotonic clock.
    since: Option<Duration>,
}

impl<'a> LeasedRun<'a> {
    #[must_use]
    pub fn new(router: &'a Router, fence: &'a Fence, stored: Vec<StageRecord>) -> Self {
        Self {
            router,
            fence,
            stored: Mutex::new(stored),
            is_lost: AtomicBool::new(false),
            waited: Mutex::default(),
        }
    }

    /// Whether a write found that another worker owns the run, or that it has ended.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// How long the run has waited for storage. This time counts for no stage.
    #[must_use]
    pub fn waited(&self) -> Duration {
        let waited = self.lock_waited();
        let now = waited.since.map(|since| self.router.monotonic().saturating_sub(since));
        waited.before + now.unwrap_or_default()
    }

    async fn waiting<T>(&self, work: impl Future<Output = T>) -> T {
        self.note_wait(true);
        let done = work.await;
        self.note_wait(false);
        done
    }

    fn lock_waited(&self) -> parking_lot::MutexGuard<'_, Waited> {
        self.waited.lock()
    }

    fn note(&self, error: StorageError) -> StoreError {
        if error.kind == StorageErrorKind::Fenced {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        error.into()
    }
}

#[async_trait]
impl RunStore for LeasedRun<'_> {
    async fn load_stages(&self) -> Result<Vec<StageRecord>, StoreError> {
        Ok(std::mem::take(&mut *self.stored.lock()))
    }

    async fn await_lease(&self, stage: Stage) -> Result<(), StoreError> {
        let span = tracing::error_span!("permit", stage = stage.number());
        self.waiting(self.router.await_lease(self.fence).instrument(span))
            .await
            .map_err(|error| self.note(error))
    }

    async fn holds_lease(&self, stage: Stage) -> bool {
        let span = tracing::error_span!("permit", stage = stage.number());
        let held = self.waiting(self.router.can_start_stage(self.fence).instrument(span)).await;
        // Any error occurs again, and is handled, where the stage waits for the lease.
        held.map_err(|error| self.note(error)).unwrap_or(false)
    }

    fn note_wait(&self, is_waiting: bool) {
        let before = self.waited();
        let since = is_waiting.then(|| self.router.monotonic());
        *self.lock_waited() = Waited { before, since };
    }

    fn write_mode(&self) -> WriteMode {
        let flags = self.router.flags();
        WriteMode { mode: flags.mode().as_str().to_owned(), flags_revision: flags.named_revision() }
    }

    async fn store_stage(&self, record: StageRecord) -> Result<StageRecord, StoreError> {
        failpoints::hit("stage-answered");
        // Every log line about this write names its stage, also those of libraries.
        let span = tracing::error_span!("write", stage = record.meta.stage.number());
        // Boxed: it is larger than what a waiting run holds otherwise.
        let writing = Box::pin(self.router.write_stage(self.fence, record).instrument(span));
        let written = self.waiting(writing).await;
        written.map_err(|error| self.note(error))
    }
}
