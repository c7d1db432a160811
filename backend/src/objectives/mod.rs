//! Service level objectives: figures over sliding windows, and error budgets. Alerts and the watch over deployments use the same figures.
//!
//! * `counters`: what happened in this process. `windows`: the counters over time. `counts`: their growth, as figures.
//! * `level`: the promises, and how much of each error budget is left.
//!
//! [`Objectives::figures`] is about this process, [`Objectives::of_service`] about all replicas, while the database tells the others' counts.
//!
//! # Invariants
//!
//! * Memory is bounded: at most 1,250 samples of half a kilobyte.
//! * Nothing here knows alerts or deployments.

pub mod counters;
mod counts;
mod level;
mod shared;
mod spread;
mod windows;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::Clock;
use storage::{StorageError, control_plane::ServiceLevels, router::Router};

pub use self::{
    counts::{Counts, Figures, share},
    level::{BUDGET_WINDOW, Objective, ObjectiveReport, Targets},
    spread::Spread,
};
use self::{shared::SharedCounts, windows::Windows};

const FIVE_MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3_600);

/// The service level of this process.
#[derive(Debug)]
pub struct Objectives {
    clock: Arc<dyn Clock>,
    targets: Targets,
    windows: Mutex<Windows>,
    /// None without a database.
    shared: Option<SharedCounts>,
}

impl Objectives {
    /// Begins to watch now.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, targets: Targets) -> Self {
        let windows = Mutex::new(Windows::new(clock.monotonic(), counters::read()));
        Self { clock, targets, windows, shared: None }
    }

    /// Shares the counts with the other replicas. `process` is another one at every start.
    #[must_use]
    pub fn with_replicas(
        self,
        levels: Option<Arc<dyn ServiceLevels>>,
        router: Arc<Router>,
        process: String,
    ) -> Self {
        let shared = levels.map(|levels| SharedCounts { levels, router, process, state: Mutex::default() });
        Self { shared, ..self }
    }

    /// The promises of the service.
    #[must_use]
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Takes a sample. A background task calls it every second.
    pub fn sample(&self) {
        self.windows.lock().add(self.clock.monotonic(), counters::read());
    }

    /// Exchanges the counts with the other replicas, every 15 seconds. False if there was nothing to do.
    ///
    /// # Errors
    ///
    /// The error of the database. Until the next exchange, the figures are those of this process.
    pub async fn share(&self) -> Result<bool, StorageError> {
        match &self.shared {
            Some(shared) => shared.exchange(self.clock.now(), self.clock.monotonic(), counters::read()).await,
            None => Ok(false),
        }
    }

    /// The counts of the last time of this length, and how much of that time is known. Windows up to 15 minutes are exact to a second, those
    /// up to a day to five minutes.
    #[must_use]
    pub fn counts(&self, window: Duration) -> (Counts, Duration) {
        self.windows.lock().over(window, self.clock.monotonic(), &counters::read())
    }

    /// The figures of the last time of this length.
    #[must_use]
    pub fn figures(&self, window: Duration) -> Figures {
        let (counts, covered) = self.counts(window);
        counts.figures(window, covered)
    }

    /// As [`Objectives::counts`], of all replicas: the others' counts to five minutes. While the database is away, of this process alone.
    #[must_use]
    pub fn counts_of_service(&self, window: Duration) -> Counts {
        let (mine, _) = self.counts(window);
        let others = self.shared.as_ref().and_then(|shared| shared.others(window, self.clock.now()));
        others.map_or(mine, |others| mine.plus(&others))
    }

    /// The figures of all replicas.
    #[must_use]
    pub fn of_service(&self, window: Duration) -> Figures {
        let (_, covered) = self.counts(window);
        self.counts_of_service(window).figures(window, covered)
    }

    /// The figures of all replicas over five minutes, an hour and a day.
    #[must_use]
    pub fn windows(&self) -> Vec<Figures> {
        [FIVE_MINUTES, HOUR, BUDGET_WINDOW].map(|window| self.of_service(window)).to_vec()
    }

    /// How each objective stands, over all replicas.
    #[must_use]
    pub fn reports(&self) -> Vec<ObjectiveReport> {
        let [day, hour, five] =
            [BUDGET_WINDOW, HOUR, FIVE_MINUTES].map(|window| self.counts_of_service(window));
        let report = |objective| ObjectiveReport::of(objective, &self.targets, &day, &hour, &five);
        Objective::ALL.into_iter().map(report).collect()
    }
}
