//! Reads one run from both stores.

use pipeline::run::{RunId, RunStatus};

use crate::sync::missing_row;
use crate::{
    control_plane::Principal,
    error::{StorageError, StorageErrorKind},
    merge::{belong_together, merge},
    ports::prelude::*,
    router::core::Router,
    run::RunRecord,
};

/// Why both sides of a run are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadPurpose {
    /// For a client. Thousands of clients may read at once.
    Display,
    /// For a cancel, retry or delete. The row decides.
    Decision,
}

/// A run as each store holds it.
#[derive(Debug)]
pub(super) struct BothSides {
    pub(super) row: Option<RunRecord>,
    /// The reason if the row could not be read.
    pub(super) row_error: Option<StorageError>,
    pub(super) file: Option<RunRecord>,
}

impl BothSides {
    /// Whether the files are ahead of the row: in a later generation, or with an end that the row lacks.
    pub(super) fn files_are_ahead(&self) -> bool {
        let rank = |snapshot: &RunRecord| (snapshot.generation, snapshot.status != RunStatus::Processing);
        self.file.as_ref().map(rank) > self.row.as_ref().map(rank)
    }

    pub(super) fn merged(self) -> Option<RunRecord> {
        merge(self.row, self.file)
    }
}

impl Router {
    /// Reads both stores. A store that fails may hold the run, so its failure is an error unless the files
    /// hold the run.
    pub(super) async fn read_both(
        &self,
        run: &RunId,
        purpose: ReadPurpose,
    ) -> Result<BothSides, StorageError> {
        let mode = self.mode();
        let row = match &self.database {
            Some(database) if mode.has_database() => match purpose {
                ReadPurpose::Display => database.read(|store| async move { store.load(run).await }).await,
                ReadPurpose::Decision => database.call(|store| async move { store.load(run).await }).await,
            },
            Some(_) => Err(StorageError::new(
                StorageErrorKind::Unavailable,
                "the database is switched off, and may hold the run",
            )),
            None => Ok(None),
        };
        // Read the files in every mode, because an earlier mode may have written them.
        let file = match (&row, purpose) {
            (Ok(Some(row)), ReadPurpose::Display) => self.files.load_beside(run, row).await,
            _ => self.files.load(run).await,
        };
        match (row, file) {
            // Another replica deleted the run, and this disk is not shared with it.
            (Ok(None), Ok(Some(_))) if self.has_tombstone_in_database(run).await? => {
                if let Err(error) = missing_row::purge(&self.files, &self.changes, run).await {
                    tracing::warn!(event = "deleted_files_not_removed", run_id = %run, %error, "failed to remove the files of a deleted run; will retry");
                }
                Ok(BothSides { row: None, row_error: None, file: None })
            }
            // The row came back with an older backup.
            (Ok(Some(_)), Ok(None)) if self.files.is_deleted(run).await.unwrap_or(false) => {
                Ok(BothSides { row: None, row_error: None, file: None })
            }
            (Ok(Some(row)), Ok(Some(file))) if !belong_together(&row, &file) => {
                Ok(BothSides { row: Some(row), row_error: None, file: None })
            }
            (Ok(row), Ok(file)) => Ok(BothSides { row, row_error: None, file }),
            (Ok(row @ Some(_)), Err(_)) => Ok(BothSides { row, row_error: None, file: None }),
            (Err(error), Ok(file @ Some(_))) => Ok(BothSides { row: None, row_error: Some(error), file }),
            (Err(error), _) | (Ok(None), Err(error)) => Err(error),
        }
    }

    /// Whether the database answers, and says that it has no row of the run.
    pub(super) async fn has_no_row(&self, run: &RunId) -> bool {
        let Some(database) = self.open_database(self.mode()) else { return false };
        matches!(database.call(|store| async move { store.load(run).await }).await, Ok(None))
    }

    pub(super) async fn has_tombstone_in_database(&self, run: &RunId) -> Result<bool, StorageError> {
        match self.database.as_ref().filter(|_| self.mode().has_database()) {
            Some(database) => database.read(|store| async move { store.is_deleted(run).await }).await,
            None => Ok(false),
        }
    }

    /// The principal of a run of which either store has the tombstone. Every store keeps the same one.
    pub(super) async fn tombstone_owner(&self, run: &RunId) -> Result<Option<Principal>, StorageError> {
        if let Ok(Some(owner)) = self.files.deleted_owner(run).await {
            return Ok(Some(owner));
        }
        match self.database.as_ref().filter(|_| self.mode().has_database()) {
            Some(database) => database.read(|store| async move { store.deleted_owner(run).await }).await,
            None => Ok(None),
        }
    }
}
