//! A task, as the driver sees it.

use std::time::Duration;

use async_trait::async_trait;
use foundation::resilience::{Backoff, Jitter};
use tokio_util::sync::CancellationToken;

use super::{
    outcome::{Outcome, TaskError},
    status::StatusCell,
};

/// Work that is done again and again.
#[async_trait]
pub trait Task: Send + 'static {
    /// In `snake_case`, for health and logs.
    fn name(&self) -> &'static str;

    /// When the next pass begins. The driver asks before each wait.
    fn schedule(&self) -> Schedule;

    /// Logs the first failure of an outage, as a warning.
    fn log_outage(&self, error: &TaskError);

    /// One pass.
    ///
    /// # Errors
    ///
    /// The reason for which the pass did not succeed. The driver repeats it.
    async fn pass(&mut self, pass: &Pass<'_>) -> Result<Outcome, TaskError>;

    /// Returns when a pass must begin before its time. The driver may drop the future at any of its waits.
    async fn woken(&mut self) {
        std::future::pending().await
    }

    /// Whether the driver drops a pass that is under way when the task ends. A task that says no ends its pass soon.
    fn is_interruptible(&self) -> bool {
        true
    }

    /// Called once, after the last pass.
    async fn stopped(&mut self) {}
}

/// When the passes of a task begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Between the end of a pass and the next one. None: a pass begins only when the task is woken.
    period: Option<Duration>,
    /// Instead of the period after failures in a row.
    retry: Option<Backoff>,
    /// Whether half of each wait is random.
    has_jitter: bool,
    /// Whether the first pass begins at once.
    starts_at_once: bool,
}

impl Schedule {
    /// At once, and then always this long after the last pass.
    #[must_use]
    pub const fn every(period: Duration) -> Self {
        Self { period: Some(period), retry: None, has_jitter: false, starts_at_once: true }
    }

    /// Only when the task is woken.
    #[must_use]
    pub const fn when_woken() -> Self {
        Self { period: None, retry: None, has_jitter: false, starts_at_once: false }
    }

    /// The first pass too begins only after a period.
    #[must_use]
    pub const fn after_a_period(self) -> Self {
        Self { starts_at_once: false, ..self }
    }

    /// Half of each wait is random.
    #[must_use]
    pub const fn with_jitter(self) -> Self {
        Self { has_jitter: true, ..self }
    }

    /// After failures the driver waits by this backoff.
    #[must_use]
    pub const fn retry(self, backoff: Backoff) -> Self {
        Self { retry: Some(backoff), ..self }
    }

    /// The wait before the first pass; none: until the task is woken.
    pub(super) fn first_wait(&self) -> Option<Duration> {
        if self.starts_at_once { Some(Duration::ZERO) } else { self.wait(0) }
    }

    /// The wait after so many failures in a row; none: until the task is woken.
    pub(super) fn wait(&self, failures: u32) -> Option<Duration> {
        let wait = match self.retry {
            Some(backoff) if failures > 0 => backoff.wait(failures),
            _ => self.period?,
        };
        Some(if self.has_jitter { Jitter::Random.spread(wait) } else { wait })
    }
}

/// The pass under way.
#[derive(Debug)]
pub struct Pass<'p> {
    pub(super) stop: &'p CancellationToken,
    pub(super) status: &'p StatusCell,
}

impl Pass<'_> {
    /// Cancelled when the task has to end.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        self.stop
    }

    /// A pass that lasts says that it works: an outage before it is over.
    pub fn works(&self, result: &'static str) {
        self.status.works(result.into());
    }
}
