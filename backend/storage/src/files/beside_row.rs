//! Reads a run's files for a client whose row was read already. Parts that the row has are not read again: clients ask
//! many times for each run, and in a bucket each file costs a request.

use std::collections::BTreeMap;

use pipeline::run::{RunId, Stage};

use crate::{
    error::StorageError,
    files::{
        manifest::{Manifest, StageEntry},
        run_files::RunFiles,
        store::FileStore,
    },
    ports::prelude::*,
    run::{RunRecord, StoredIn, StoredStage},
};

/// The parts of a run that its row has.
#[derive(Debug)]
struct InRow {
    digests: BTreeMap<Stage, String>,
    has_report: bool,
}

impl InRow {
    fn of(row: &RunRecord) -> Self {
        let digests = row.stages.iter().map(|(stage, held)| (*stage, held.sha256.clone())).collect();
        Self { digests, has_report: row.report.is_some() }
    }

    /// Whether the row has each part that the manifest names.
    fn covers(&self, manifest: &Manifest) -> bool {
        let has = |(stage, entry): (&Stage, &StageEntry)| {
            self.digests.get(stage).is_some_and(|digest| *digest == entry.record_sha256)
        };
        manifest.stages.iter().all(has) && (manifest.report.is_none() || self.has_report)
    }
}

/// The files beside a row.
#[derive(Debug)]
enum Beside {
    /// The files do not have the run, or it was deleted there.
    Nothing,
    /// The files' state of the run. Its stages are those of the row.
    Covered(Box<RunRecord>, Vec<Stage>),
    /// The files name a part that the row lacks.
    More,
}

impl RunFiles {
    fn beside(&self, run: &RunId, in_row: &InRow) -> Result<Beside, StorageError> {
        let (_, manifest) = self.manifests.read_run(run)?;
        let Some(manifest) = manifest else { return Ok(Beside::Nothing) };
        if !in_row.covers(&manifest) {
            return Ok(Beside::More);
        }
        let stages = manifest.stages.keys().copied().collect();
        let state = self.record_of(manifest, BTreeMap::new(), None)?;
        Ok(Beside::Covered(Box::new(state), stages))
    }
}

impl FileStore {
    /// Loads a run as [`RunQueries::load`] does, for a caller that has the row. It reads no part whose digest the row
    /// confirms.
    ///
    /// # Errors
    ///
    /// As [`RunQueries::load`].
    pub async fn load_beside(&self, run: &RunId, row: &RunRecord) -> Result<Option<RunRecord>, StorageError> {
        let in_row = InRow::of(row);
        let id = run.clone();
        // The row has what the mirror holds, so a client need not wait for it.
        match self.one_as_it_is("read", run, move |files| files.beside(&id, &in_row)).await? {
            Beside::Nothing => Ok(None),
            Beside::More => self.load(run).await,
            Beside::Covered(mut state, stages) => {
                let held = |stage| {
                    let held: &StoredStage = row.stages.get(&stage)?;
                    Some((stage, StoredStage { stored_in: StoredIn::FILES, ..held.clone() }))
                };
                state.stages = stages.into_iter().filter_map(held).collect();
                Ok(Some(*state))
            }
        }
    }
}
