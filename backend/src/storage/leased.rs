//! One run behind the stage loop's seam: the router, under the run's fence.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pipeline::{
    record::StageRecord,
    store::{RunStore, StoreError, WriteMode},
};

use super::{Fence, StorageError, StorageErrorKind, Store as _, router::Router};

/// A run that this process works on.
#[derive(Debug)]
pub struct LeasedRun<'a> {
    router: &'a Router,
    fence: &'a Fence,
    is_lost: AtomicBool,
}

impl<'a> LeasedRun<'a> {
    #[must_use]
    pub fn new(router: &'a Router, fence: &'a Fence) -> Self {
        Self { router, fence, is_lost: AtomicBool::new(false) }
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
        let snapshot = self.router.load(&self.fence.run).await.map_err(|error| self.note(error))?;
        let stages = snapshot.map(|snapshot| snapshot.stages).unwrap_or_default();
        Ok(stages.into_values().map(|held| held.record).collect())
    }

    fn write_mode(&self) -> WriteMode {
        let flags = self.router.flags();
        WriteMode { mode: flags.mode().as_str().to_owned(), flags_revision: flags.revision }
    }

    async fn store_stage(&self, record: StageRecord) -> Result<StageRecord, StoreError> {
        self.router.write_stage(self.fence, record).await.map_err(|error| self.note(error))
    }
}
