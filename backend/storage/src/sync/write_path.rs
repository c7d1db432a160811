//! The questions that reconciliation asks the router and the worker of this process.

use std::fmt;

use async_trait::async_trait;
use pipeline::run::RunId;

use crate::{
    database::Database,
    error::StorageError,
    files::FileStore,
    observer::StorageObserver,
    ports::{
        changes::RunChanges,
        lifecycle::{Fence, Lease},
    },
};

/// The runs that this process works on. The worker answers.
pub trait ActiveRuns: fmt::Debug + Send + Sync {
    /// Whether a task of this process works on the run.
    fn is_working_on(&self, run: &RunId) -> bool;

    /// The lease under which this process claims rows.
    fn lease(&self) -> &Lease;
}

/// The path that writes of runs under way take. The router answers; it alone knows the storage mode.
#[async_trait]
pub trait WritePath: fmt::Debug + Send + Sync {
    fn files(&self) -> &FileStore;

    /// None without a database.
    fn database(&self) -> Option<&Database>;

    fn changes(&self) -> &RunChanges;

    fn observer(&self) -> &dyn StorageObserver;

    /// Whether the database may be called now.
    fn is_database_open(&self) -> bool;

    /// Whether the operator's flags ask for the database.
    fn is_database_expected(&self) -> bool;

    /// Whether the operator's flags ask for files.
    fn expects_files(&self) -> bool;

    /// Whether every run belongs into these files: no other process keeps any on a disk of its own.
    fn keeps_all_files(&self) -> bool;

    /// The leases of runs that have ended here in files alone.
    fn retained_leases(&self) -> Vec<Fence>;

    /// The retained lease of this run.
    fn retained_lease(&self, run: &RunId) -> Option<Fence>;

    /// Stops renewing these leases. A newer lease on the same run stays.
    fn stop_retaining(&self, fences: &[Fence]);

    /// Ends in files a run that has ended in the database and that nobody here works on.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    async fn close_in_files(&self, run: &RunId) -> Result<(), StorageError>;

    /// Deletes a row that came back, of a run that the files say is deleted.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    async fn restore_deletion(&self, run: &RunId) -> Result<(), StorageError>;

    /// Removes this disk's files of a run that the database says is deleted; false if it does not say so.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    async fn purge_if_deleted(&self, run: &RunId) -> Result<bool, StorageError>;
}
