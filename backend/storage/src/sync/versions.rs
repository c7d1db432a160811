//! Both versions of a run, for a person who has to choose one.

use std::collections::BTreeMap;

use pipeline::run::RunId;

use crate::{
    error::StorageError,
    part::Part,
    ports::prelude::*,
    run::RunRecord,
    sync::{compare::differences, reconciler::Reconciler},
};

/// The versions of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Versions {
    /// None if the database has no row.
    pub row: Option<RunRecord>,
    /// None if these files do not have the run.
    pub file: Option<RunRecord>,
    /// The texts of the row that do not match their digests: somebody changed them by hand.
    pub damaged: BTreeMap<Part, String>,
    /// The parts that differ.
    pub differing: Vec<Part>,
}

impl Reconciler {
    /// Reads both versions of a run. Writes nothing.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    pub async fn versions(&self, run: &RunId) -> Result<Versions, StorageError> {
        let row = self.read_row(run).await?;
        let file = self.files().load(run).await?;
        let (row, damaged) = row.map(|row| (row.snapshot, row.damaged)).unzip();
        let damaged: BTreeMap<Part, String> = damaged.unwrap_or_default();
        let mut differing = match (&row, &file) {
            (Some(row), Some(file)) => differences(row, file),
            _ => Vec::new(),
        };
        differing.extend(damaged.keys().copied());
        differing.sort_unstable();
        differing.dedup();
        Ok(Versions { row, file, damaged, differing })
    }

    /// The runs whose row notes a conflict, by id.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the database fails. `Indeterminate` if it does not answer in time.
    pub async fn conflicted(&self, limit: usize) -> Result<Vec<RunId>, StorageError> {
        self.call(|target| async move { target.conflicted(limit).await }).await
    }
}
