//! One run behind the stage loop's seam: the router, under the run's fence.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pipeline::{
    record::StageRecord,
    store::{RunStore, StoreError, WriteMode},
};
use tracing::Instrument as _;

use super::{Fence, StorageError, StorageErrorKind, router::Router};

/// A run that this process works on.
#[derive(Debug)]
pub struct LeasedRun<'a> {
    router: &'a Router,
    fence: &'a Fence,
    /// What was stored when the work began.
    stored: Vec<StageRecord>,
    is_lost: AtomicBool,
}

impl<'a> LeasedRun<'a> {
    #[must_use]
    pub fn new(router: &'a Router, fence: &'a Fence, stored: Vec<StageRecord>) -> Self {
        Self { router, fence, stored, is_lost: AtomicBool::new(false) }
    }

    /// Whether a write found that somebody else has the run now, or has ended it.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
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
        Ok(self.stored.clone())
    }

    fn write_mode(&self) -> WriteMode {
        let flags = self.router.flags();
        WriteMode { mode: flags.mode().as_str().to_owned(), flags_revision: flags.revision }
    }

    async fn store_stage(&self, record: StageRecord) -> Result<StageRecord, StoreError> {
        // Every line about this write names its stage: the retries', the stores', the libraries'.
        let span = tracing::error_span!("write", stage = record.meta.stage.number());
        let written = self.router.write_stage(self.fence, record).instrument(span).await;
        written.map_err(|error| self.note(error))
    }
}
