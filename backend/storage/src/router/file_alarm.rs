//! The alarm of the files: the failure of the last write, until a write succeeds.

use parking_lot::{Mutex, MutexGuard};

use crate::{error::StorageError, observer::StorageObserver};

/// The failure of the last file write, until a write succeeds.
#[derive(Debug, Default)]
pub(super) struct FileAlarm(Mutex<Option<String>>);

impl FileAlarm {
    /// Records how a write ended.
    pub(super) fn note<T>(&self, result: &Result<T, StorageError>, observer: &dyn StorageObserver) {
        match result {
            Ok(_) => *self.lock() = None,
            Err(error) if error.is_outage() => {
                observer.file_write_failed();
                *self.lock() = Some(error.message.clone());
            }
            Err(_) => {}
        }
    }

    /// Path and errno of the failure.
    pub(super) fn message(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock()
    }
}
