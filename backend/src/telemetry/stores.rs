//! Receives what the stores report: as figures, and as spans of the trace to which a call belongs.

use std::time::Duration;

use pipeline::run::Stage;
use storage::{
    StorageErrorKind,
    observer::{CallObserver, ConnectionWait, StorageObserver, StoreName},
};

use super::{metrics, traces};

/// Observes both stores.
#[derive(Debug, Clone, Copy, Default)]
pub struct StorageTelemetry;

impl StorageObserver for StorageTelemetry {
    fn database_write(&self, is_ok: bool) {
        metrics::database_written(is_ok);
    }

    fn stage_stored(&self, stage: Stage, provider: &str, store: StoreName) {
        metrics::stage_stored(stage, provider, store);
    }

    fn stage_written(&self, attempts: u32, is_ok: bool) {
        metrics::call_ended(metrics::Operation::StageWrite, attempts, is_ok);
    }

    fn file_write_failed(&self) {
        metrics::file_write_failed();
    }

    fn stages_reconciled(&self, count: usize) {
        metrics::stages_reconciled(count);
    }
}

impl CallObserver for StorageTelemetry {
    fn called(
        &self,
        store: StoreName,
        operation: &'static str,
        took: Duration,
        error: Option<StorageErrorKind>,
    ) {
        metrics::store_called(store, operation, took, error);
        traces::store_called(store, operation, took, error.map(StorageErrorKind::as_str));
    }

    fn connection_awaited(&self, waited: Duration, outcome: ConnectionWait) {
        metrics::connection_awaited(waited);
        if outcome == ConnectionWait::Exhausted {
            metrics::pool_exhausted();
        }
    }
}
