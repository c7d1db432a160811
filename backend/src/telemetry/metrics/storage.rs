//! The figures of the stores.

use std::time::Duration;

use pipeline::run::Stage;
use storage::{StorageErrorKind, observer::StoreName};

use super::{
    counted::COUNTED,
    labels::{DatabaseLabels, FileLabels, ResultLabels, StageLabels},
    waits::observe,
};

/// Counts a write to the database.
pub fn database_written(is_ok: bool) {
    let result = if is_ok { "ok" } else { "failed" };
    COUNTED.database_writes.get_or_create(&ResultLabels { result }).inc();
}

/// Counts a stage that a store has stored.
pub fn stage_stored(stage: Stage, provider: &str, store: StoreName) {
    let labels = StageLabels { stage: stage.number(), provider: provider.to_owned(), store: store.as_str() };
    COUNTED.stages_stored.get_or_create(&labels).inc();
}

/// Counts a failed write to the files.
pub fn file_write_failed() {
    COUNTED.file_write_failures.inc();
}

/// Counts stages that reconciliation wrote to the database.
pub fn stages_reconciled(count: usize) {
    COUNTED.stages_reconciled.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
}

/// Notes how long a call to a store took.
pub fn store_called(
    store: StoreName,
    operation: &'static str,
    took: Duration,
    error: Option<StorageErrorKind>,
) {
    let error_type = error.map_or("", StorageErrorKind::as_str);
    match store {
        StoreName::Database => {
            let labels =
                DatabaseLabels { db_system_name: "postgresql", db_operation_name: operation, error_type };
            observe(&COUNTED.waits.database, &labels, took);
        }
        StoreName::File => observe(&COUNTED.waits.files, &FileLabels { operation, error_type }, took),
    }
}

/// Notes how long a caller waited for a connection.
pub fn connection_awaited(waited: Duration) {
    COUNTED.waits.connection.observe(waited.as_secs_f64());
}

/// Counts a caller that got no connection in time.
pub fn pool_exhausted() {
    COUNTED.pool_exhausted.inc();
}
