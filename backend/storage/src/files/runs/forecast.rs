//! Forecasts what the loss of this disk would lose: runs and stages that only its files hold.

use pipeline::{clock::Timestamp, run::RunId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    error::StorageError,
    files::{
        layout::{MANIFEST_FILE, OPEN_FOLDER, UNSYNCED_FOLDER, in_run},
        manifest::Manifest,
        run_files::RunFiles,
        runs::unsynced::since,
        store::FileStore,
    },
};

/// The most manifests that one forecast reads, about 10 ms of work.
const READ_MAX: usize = 500;

/// The most runs that a forecast names. An operator looks at a few; the command `reconcile` lists all.
const NAMED_MAX: usize = 20;

/// The runs of a disk of which the database lacks something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct DurabilityForecast {
    /// Accepted runs that have not ended.
    pub open_runs: usize,
    pub ended_runs: usize,
    /// Their stages that only these files hold.
    pub stages: usize,
    /// The first of these runs, at most twenty.
    pub run_ids: Vec<RunId>,
    /// Whether every run was looked at. Otherwise there may be more.
    pub is_exact: bool,
    /// When the oldest of these parts was stored.
    #[serde(skip)]
    pub oldest_at: Option<Timestamp>,
}

impl DurabilityForecast {
    /// A disk whose loss loses nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { is_exact: true, ..Self::default() }
    }

    /// The number of runs.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.open_runs + self.ended_runs
    }

    fn add(&mut self, run: &RunId, manifest: &Manifest, at: Timestamp) {
        if manifest.has_ended() {
            self.ended_runs += 1;
        } else {
            self.open_runs += 1;
        }
        let has_no_row = !manifest.has_row();
        let only_here = manifest.stages.values().filter(|stage| has_no_row || stage.pending_database);
        self.stages += only_here.count();
        if self.run_ids.len() < NAMED_MAX {
            self.run_ids.push(run.clone());
        }
        self.oldest_at = Some(self.oldest_at.map_or(at, |oldest| oldest.min(at)));
    }
}

/// Since when a part of a run is in these files alone. None if the database has all of it.
fn only_here_since(manifest: &Manifest) -> Option<Timestamp> {
    // A run of a service without a database.
    if manifest.database.is_none() { Some(manifest.accepted_at) } else { since(manifest) }
}

impl FileStore {
    /// Forecasts what the loss of these files would lose.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn durability_forecast(&self, has_database: bool) -> Result<DurabilityForecast, StorageError> {
        self.whole(move |files| files.durability_forecast(has_database)).await
    }
}

impl RunFiles {
    /// With a database, marked and open runs are looked at. Without one, nothing is marked, and all runs are.
    fn durability_forecast(&self, has_database: bool) -> Result<DurabilityForecast, StorageError> {
        let (mut runs, mut is_exact) = (self.markers.marked(UNSYNCED_FOLDER)?, true);
        runs.extend(self.markers.marked(OPEN_FOLDER)?);
        if !has_database {
            let newest = self.io.backend.newest_runs(READ_MAX).map_err(|error| self.io.fault("", &error))?;
            is_exact = !newest.has_more;
            runs.extend(newest.runs.iter().filter_map(|(_, name)| name.parse().ok()));
        }
        runs.sort();
        runs.dedup();
        is_exact &= runs.len() <= READ_MAX;
        runs.truncate(READ_MAX);
        let names: Vec<String> = runs.iter().map(|run| in_run(run, MANIFEST_FILE)).collect();
        let mut forecast = DurabilityForecast { is_exact, ..DurabilityForecast::default() };
        for (run, stored) in runs.iter().zip(self.io.backend.read_all(&names)) {
            // An unreadable run must not hide the others. The pass that works on it logs the reason.
            let Ok(Some(stored)) = stored else { continue };
            let Ok(Some(manifest)) = self.manifests.parse(run, stored) else { continue };
            if let Some(at) = only_here_since(&manifest) {
                forecast.add(run, &manifest, at);
            }
        }
        Ok(forecast)
    }
}
