//! Level 4: this hour's figures against those of the previous deployment.

use std::{sync::Arc, time::Duration};

use chrono::{DurationRound as _, TimeDelta};
use parking_lot::Mutex;
use pipeline::clock::{Clock, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{Baseline, Baselines as _},
    postgres::PostgresStore,
};

use crate::telemetry::{
    figures::{Counts, Figures, REQUESTS_MIN, deviations, mean},
    metrics, metrics_json, process_usage,
};

/// This hour of this deployment, and the deployment before it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BaselineReport {
    /// This replica since the hour began, or since it started.
    pub now: Figures,
    /// The mean of the previous deployment's hours, 7 days at most. None if there is none.
    pub previous: Option<Figures>,
    /// Everything beyond its limit.
    pub deviations: Vec<String>,
    /// Whether both have enough requests to be compared.
    pub is_comparable: bool,
}

/// Where an hour began.
#[derive(Debug, Clone)]
struct Begun {
    hour: Timestamp,
    counts: Counts,
    cpu: Option<Duration>,
    at: Duration,
}

/// Keeps the figures of this replica by the hour.
#[derive(Debug)]
pub struct BaselineKeeper {
    store: Arc<PostgresStore>,
    /// The most connections of the pool.
    connections_max: u32,
    deployment: String,
    replica: String,
    clock: Arc<dyn Clock>,
    begun: Mutex<Begun>,
}

impl BaselineKeeper {
    /// Begins to count now.
    #[must_use]
    pub fn new(
        store: Arc<PostgresStore>,
        connections_max: u32,
        deployment: String,
        replica: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let begun = Begun {
            hour: hour_of(clock.now()),
            counts: Counts::default(),
            cpu: process_usage::cpu_time(),
            at: clock.monotonic(),
        };
        Self { store, connections_max, deployment, replica, clock, begun: Mutex::new(begun) }
    }

    /// The share of the pool that is in use now, from 0 to 1.
    #[must_use]
    pub fn pool_share(&self) -> f64 {
        f64::from(self.store.connections().in_use) / f64::from(self.connections_max.max(1))
    }

    /// Stores the figures of the hour so far. A new hour begins with the first call in it.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    pub async fn keep(&self) -> Result<(), StorageError> {
        let hour = hour_of(self.clock.now());
        // A statement of its own: the lock lasts until its end, and the figures take it, too.
        let begun = self.begun.lock().clone();
        let figures = self.figures()?;
        if figures.requests > 0 {
            let figures = serde_json::to_value(figures)
                .map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
            let (deployment, replica) = (self.deployment.clone(), self.replica.clone());
            self.store.store(&Baseline { deployment, replica, hour: begun.hour, figures }).await?;
        }
        if hour != begun.hour {
            *self.begun.lock() =
                Begun { hour, counts: counts()?, cpu: process_usage::cpu_time(), at: self.clock.monotonic() };
        }
        Ok(())
    }

    /// Compares this hour with the previous deployment.
    ///
    /// # Errors
    ///
    /// As [`BaselineKeeper::keep`].
    pub async fn compare(&self) -> Result<BaselineReport, StorageError> {
        let now = self.figures()?;
        let stored = self.store.previous(&self.deployment).await?;
        // Figures of a release that counted otherwise are left out.
        let hours: Vec<Figures> =
            stored.into_iter().filter_map(|hour| serde_json::from_value(hour.figures).ok()).collect();
        let previous = mean(&hours);
        let is_comparable =
            now.requests >= REQUESTS_MIN && previous.is_some_and(|before| before.requests >= REQUESTS_MIN);
        Ok(BaselineReport { now, previous, deviations: deviations(&now, previous.as_ref()), is_comparable })
    }

    fn figures(&self) -> Result<Figures, StorageError> {
        let begun = self.begun.lock().clone();
        let elapsed = self.clock.monotonic().saturating_sub(begun.at).as_secs_f64();
        let cpu = process_usage::cpu_time().zip(begun.cpu).filter(|_| elapsed >= 1.0);
        let cpu_share = cpu.map(|(now, before)| {
            now.saturating_sub(before).as_secs_f64() / elapsed / process_usage::processors()
        });
        Ok(Figures {
            cpu_share,
            memory_share: process_usage::memory_share(),
            pool_share: Some(self.pool_share()),
            ..counts()?.since(&begun.counts)
        })
    }
}

fn counts() -> Result<Counts, StorageError> {
    let text = metrics::counted()
        .map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
    Ok(Counts::of(&metrics_json::samples(&text)))
}

fn hour_of(time: Timestamp) -> Timestamp {
    // It fails only for times centuries away.
    time.duration_trunc(TimeDelta::hours(1)).unwrap_or(time)
}
