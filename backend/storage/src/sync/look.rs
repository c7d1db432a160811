//! A look at the two sides of one ended row, for a survey: by their digests, or with the records.

use crate::{
    error::StorageError,
    files::FileOutline,
    part::Part,
    ports::{prelude::*, sync::RowOutline},
    sync::{reconciler::Reconciler, verify::Comparison},
};

/// Why a run is not left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// The files have its tombstone, and the database has its row.
    Deleted,
    /// The row has ended, and no manifest can be read here.
    FilesLost,
    Differs,
}

/// Why a run could not be compared, and the store that failed.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) error: StorageError,
    pub(super) is_of_database: bool,
}

impl Trouble {
    pub(super) fn of_files(error: StorageError) -> Self {
        Self { error, is_of_database: false }
    }

    fn of_database(error: StorageError) -> Self {
        Self { error, is_of_database: true }
    }
}

impl Reconciler {
    pub(super) async fn look_at_row(
        &self,
        row: &RowOutline,
        is_full: bool,
    ) -> Result<Option<Finding>, Trouble> {
        if self.is_worked_on(&row.run) {
            return Ok(None);
        }
        let files = self.files().outline(&row.run).await.map_err(Trouble::of_files)?;
        Ok(match finding(row, &files, self.write_path.expects_files()) {
            Some(Finding::FilesLost) => {
                let restores = self.restores_files(row).await.map_err(Trouble::of_files)?;
                Some(Finding::FilesLost).filter(|_| restores)
            }
            None if is_full && files.manifest.is_some() => {
                let file = self.files().load(&row.run).await.map_err(Trouble::of_files)?;
                let compared = self.compare_files(&row.run, file).await.map_err(Trouble::of_database)?;
                let differs = matches!(compared, Comparison::Differs { .. });
                Some(Finding::Differs).filter(|_| differs && !row.has_conflict)
            }
            finding => finding,
        })
    }

    /// Whether files that are gone belong here: any file is left, or this disk lasts and no other process keeps runs on a
    /// disk of its own.
    async fn restores_files(&self, row: &RowOutline) -> Result<bool, StorageError> {
        let has_expired = row.finished_at.is_some_and(|at| self.is_expired(at));
        Ok(self.write_path.expects_files()
            && !has_expired
            && (self.rebuilds && self.write_path.keeps_all_files()
                || self.files().has_anything_of(&row.run).await?))
    }
}

/// Compares the two sides by the digests that they say.
fn finding(row: &RowOutline, files: &FileOutline, expects_files: bool) -> Option<Finding> {
    if files.is_deleted {
        return Some(Finding::Deleted);
    }
    let Some(manifest) = &files.manifest else { return Some(Finding::FilesLost) };
    // A worker, or the search for runs that ended elsewhere, closes an open manifest.
    if !manifest.has_ended() || row.generation > manifest.generation {
        return None;
    }
    let is_known = row.has_conflict;
    if (row.generation, row.status) != (manifest.generation, manifest.status) {
        return Some(Finding::Differs).filter(|_| !is_known);
    }
    let stages = manifest.stages.iter().map(|(stage, stored)| (Part::Stage(*stage), &stored.record_sha256));
    let report = manifest.report.iter().map(|report| (Part::Report, &report.sha256));
    let mut in_files: std::collections::BTreeMap<Part, &String> = stages.chain(report).collect();
    in_files.retain(|part, _| !files.lost.contains(part));
    let is_lacking_row = in_files.keys().any(|part| !row.parts.contains_key(part));
    let is_lacking_file = expects_files && row.parts.keys().any(|part| !in_files.contains_key(part));
    let has_other = |(part, digest): (&Part, &Option<String>)| {
        digest.as_ref().zip(in_files.get(part)).is_some_and(|(ours, theirs)| ours != *theirs)
    };
    let differs = is_lacking_row || is_lacking_file || !is_known && row.parts.iter().any(has_other);
    differs.then_some(Finding::Differs)
}
