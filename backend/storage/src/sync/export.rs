//! The other way: writes runs that only the database has out as files.

use pipeline::run::RunId;
use serde::Serialize;

use crate::{
    error::{StorageError, StorageErrorKind},
    files::FileStore,
    part::Part,
    ports::{prelude::*, sync::Row},
    sync::{
        compare::{differences, has_ended},
        reconciler::Reconciler,
        verify::Scope,
    },
};

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Exported {
    /// Its files are written, read back, and equal.
    Written,
    /// They were there, and equal.
    Present,
    /// It has not ended: a worker is still writing.
    Open,
    /// The files hold something else; they are left as they are.
    Conflict {
        #[serde(rename = "numbers")]
        parts: Vec<Part>,
    },
    /// It is deleted there, or the database does not know it.
    Unknown,
    Failed {
        reason: String,
    },
}

/// How many runs came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ExportCount {
    pub written: usize,
    pub present: usize,
    pub open: usize,
    pub conflicts: usize,
    pub unknown: usize,
    pub failed: usize,
}

impl ExportCount {
    fn add(&mut self, exported: &Exported) {
        *match exported {
            Exported::Written => &mut self.written,
            Exported::Present => &mut self.present,
            Exported::Open => &mut self.open,
            Exported::Conflict { .. } => &mut self.conflicts,
            Exported::Unknown => &mut self.unknown,
            Exported::Failed { .. } => &mut self.failed,
        } += 1;
    }

    /// Whether every run that has ended is there, and equal.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.conflicts + self.unknown + self.failed == 0
    }
}

impl Reconciler {
    /// Writes the ended runs of a scope out as files, and tells each result as it comes. May be done again: what is there
    /// is left.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if a store fails. `Indeterminate` if it does not answer in time.
    /// An error of the target's files is that run's result.
    pub async fn export(
        &self,
        scope: &Scope,
        to: &FileStore,
        mut tell: impl FnMut(&RunId, &Exported) + Send,
    ) -> Result<ExportCount, StorageError> {
        let mut count = ExportCount::default();
        let since = match scope {
            Scope::One(run) => {
                let exported = self.export_one(run, to).await?;
                tell(run, &exported);
                count.add(&exported);
                return Ok(count);
            }
            Scope::Since(since) => *since,
        };
        let mut after = None;
        while let Some(page) = self.ended_page(since, &mut after).await? {
            for run in page {
                let exported = self.export_one(&run, to).await?;
                tell(&run, &exported);
                count.add(&exported);
            }
        }
        count.open = self.call(|target| async move { target.open_since(since).await }).await?;
        Ok(count)
    }

    /// An error of the database ends the export; one of the files is that run's result.
    async fn export_one(&self, run: &RunId, to: &FileStore) -> Result<Exported, StorageError> {
        let Some(Row { snapshot: row, damaged, .. }) = self.read_row(run).await? else {
            return Ok(Exported::Unknown);
        };
        if !has_ended(&row) {
            return Ok(Exported::Open);
        }
        // It was changed by hand: what would be written is not all.
        if !damaged.is_empty() {
            return Ok(Exported::Conflict { parts: damaged.into_keys().collect() });
        }
        let written = async {
            if let Some(file) = to.load(run).await?
                && differences(&row, &file).is_empty()
            {
                return Ok(Exported::Present);
            }
            match to.import(&row).await {
                // The comparison below reports the record that is in the way.
                Err(error)
                    if matches!(error.kind, StorageErrorKind::Conflict)
                        || (error.kind == StorageErrorKind::Fenced && to.manifest(run).await?.is_some()) => {}
                imported => imported?,
            }
            Ok(match to.load(run).await? {
                None => Exported::Unknown,
                Some(file) => match differences(&row, &file) {
                    parts if parts.is_empty() => Exported::Written,
                    parts => Exported::Conflict { parts },
                },
            })
        };
        Ok(written.await.unwrap_or_else(|error: StorageError| match error.kind {
            StorageErrorKind::Fenced => Exported::Unknown,
            _ => Exported::Failed { reason: error.message },
        }))
    }
}
