//! Data that waits for the database: what a redeploy would lose, and what degrades health.

use chrono::TimeDelta;

use super::{
    Durability, Health, Stores,
    figures::{DegradedReason, Figures},
};
use storage::{StorageError, files::DurabilityForecast};

/// An older part is overdue. Reconciliation passes every two seconds, and a failed run is tried again within ten while
/// this process keeps its lease: a part that is older has failed three times.
const UNSYNCED_AGE_MAX: TimeDelta = TimeDelta::seconds(30);

/// The name of the background task that reconciles.
const RECONCILE: &str = "reconcile";

impl Health {
    pub(super) async fn figures(&self) -> Figures {
        let (conflicts, unsynced, forecast) =
            tokio::join!(self.conflicts(), self.unsynced(), self.durability_forecast());
        Figures { conflicts, unsynced: unsynced.ok(), forecast }
    }

    /// The runs that are lost with this container's disk. None while unknown.
    pub(super) async fn durability_forecast(&self) -> Option<DurabilityForecast> {
        if !self.is_ephemeral() {
            return Some(DurabilityForecast::nothing());
        }
        let (files, has_database) = self.forecast_sources();
        self.forecast.get(|| async move { files.durability_forecast(has_database).await }).await?.ok()
    }

    /// The runs that are lost with this container's disk, counted now.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the disk does not answer in time.
    pub async fn durability_forecast_now(&self) -> Result<DurabilityForecast, StorageError> {
        if !self.is_ephemeral() {
            return Ok(DurabilityForecast::nothing());
        }
        let (files, has_database) = self.forecast_sources();
        files.durability_forecast(has_database).await
    }

    fn is_ephemeral(&self) -> bool {
        self.sources.file_storage.durability() == Durability::Ephemeral
    }

    fn forecast_sources(&self) -> (storage::files::FileStore, bool) {
        (self.sources.router.files().clone(), self.sources.router.database().is_some())
    }

    /// Everything that does not work as configured.
    pub(super) fn degraded_reasons(&self, stores: &Stores, figures: &Figures) -> Vec<DegradedReason> {
        let state = &stores.state;
        let failed = |answer: &Option<Result<(), StorageError>>| matches!(answer, Some(Err(_)));
        [
            (DegradedReason::EffectiveMode, state.effective_mode != state.mode),
            (DegradedReason::Database, failed(&stores.database)),
            (DegradedReason::Files, failed(&stores.files) || state.file_alarm.is_some()),
            (DegradedReason::Conflicts, figures.conflicts.is_some_and(|conflicts| conflicts > 0)),
            (DegradedReason::Flags, self.sources.flags.as_ref().is_some_and(|flags| flags.alarm().is_some())),
            (DegradedReason::UnsyncedAge, self.is_overdue(stores, figures)),
            (DegradedReason::ReconciliationFailing, self.is_reconciliation_failing()),
        ]
        .into_iter()
        .filter_map(|(reason, holds)| holds.then_some(reason))
        .collect()
    }

    /// Whether a part waits too long. In `FILE_ONLY` on a durable disk it waits for the operator.
    fn is_overdue(&self, stores: &Stores, figures: &Figures) -> bool {
        let now = self.sources.clock.now();
        let expected = figures.unsynced.as_ref().filter(|_| stores.state.flags.expects_database());
        let ages = [
            expected.and_then(|unsynced| unsynced.oldest_age(now)),
            figures.forecast.as_ref().and_then(|forecast| forecast.oldest_at).map(|at| now - at),
        ];
        ages.into_iter().flatten().any(|age| age > UNSYNCED_AGE_MAX)
    }

    fn is_reconciliation_failing(&self) -> bool {
        let Some(reconciler) = self.sources.reconciler.as_deref().filter(|it| it.is_database_open()) else {
            return false;
        };
        let tasks = self.background.as_ref().map(|background| background.statuses(false));
        reconciler.status().failed > 0
            || tasks.is_some_and(|tasks| {
                tasks.iter().any(|task| task.name == RECONCILE && task.failures_in_a_row > 0)
            })
    }
}
