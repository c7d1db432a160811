//! The breaker in front of the database. While it is open, no call waits for a database that is down.
//!
//! Regular calls never test whether the database is back. A probe does, and closes the breaker.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pipeline::clock::Clock;
use tokio::sync::watch;

use crate::error::{StorageError, StorageErrorKind};

/// When a breaker opens.
#[derive(Debug, Clone, Copy)]
pub struct BreakerConfig {
    /// This many failures in a row. Three distinguish an outage from a hiccup within one write's retries.
    pub consecutive_failures_max: u32,
    /// More than this share of failed calls, …
    pub failure_share_max: f64,
    /// … among at least this many calls, …
    pub calls_min: usize,
    /// … within this time. A database that fails every other write is not usable.
    pub window: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures_max: 3,
            failure_share_max: 0.5,
            calls_min: 10,
            window: Duration::from_secs(30),
        }
    }
}

/// The most calls that a window remembers. More calls would hardly change the share.
const CALLS_MAX: usize = 1_000;

/// The breaker's state, for health and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    /// Open since this time of the monotonic clock, for this reason.
    Open {
        since: Duration,
        is_schema: bool,
        reason: String,
    },
}

/// Counts the results of calls, and decides whether a call may be made.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    is_open: watch::Sender<bool>,
}

#[derive(Debug)]
struct Inner {
    state: BreakerState,
    consecutive_failures: u32,
    /// When each call ended, and whether it failed.
    calls: VecDeque<(Duration, bool)>,
}

impl Breaker {
    #[must_use]
    pub fn new(config: BreakerConfig, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { state: BreakerState::Closed, consecutive_failures: 0, calls: VecDeque::new() };
        Self { config, clock, inner: Mutex::new(inner), is_open: watch::Sender::new(false) }
    }

    /// The current state.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.lock().state.clone()
    }

    /// Admits a call while the breaker is closed.
    ///
    /// # Errors
    ///
    /// While the breaker is open, its reason: `Schema` after a schema failure, otherwise `Unavailable`.
    pub fn admit(&self) -> Result<(), StorageError> {
        match &self.lock().state {
            BreakerState::Closed => Ok(()),
            BreakerState::Open { is_schema, reason, .. } => Err(StorageError::new(
                if *is_schema { StorageErrorKind::Schema } else { StorageErrorKind::Unavailable },
                reason.clone(),
            )),
        }
    }

    /// Whether the breaker admits calls.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().state == BreakerState::Closed
    }

    /// Records the result of a call. A schema failure opens the breaker at once, because only a migration
    /// fixes it.
    pub fn record<T>(&self, result: &Result<T, StorageError>) {
        let now = self.clock.monotonic();
        let failure = result.as_ref().err().filter(|error| error.is_outage());
        let mut inner = self.lock();
        if inner.calls.len() == CALLS_MAX {
            inner.calls.pop_front();
        }
        inner.calls.push_back((now, failure.is_some()));
        let Some(error) = failure else {
            inner.consecutive_failures = 0;
            return;
        };
        inner.consecutive_failures += 1;
        let is_schema = error.kind == StorageErrorKind::Schema;
        if inner.state == BreakerState::Closed && (is_schema || self.is_too_much(&mut inner, now)) {
            inner.state = BreakerState::Open { since: now, is_schema, reason: error.message.clone() };
            drop(inner);
            tracing::error!(event = "database_breaker_opened", reason = %error.message, is_schema, "database breaker opened");
            self.tell();
        }
    }

    fn is_too_much(&self, inner: &mut Inner, now: Duration) -> bool {
        let oldest = now.saturating_sub(self.config.window);
        while inner.calls.front().is_some_and(|(at, _)| *at < oldest) {
            inner.calls.pop_front();
        }
        let failed = inner.calls.iter().filter(|(_, failed)| *failed).count();
        #[allow(clippy::cast_precision_loss)] // At most CALLS_MAX.
        let share = failed as f64 / inner.calls.len().max(1) as f64;
        inner.consecutive_failures >= self.config.consecutive_failures_max
            || (inner.calls.len() >= self.config.calls_min && share > self.config.failure_share_max)
    }

    /// Records the result of a probe while the breaker is open.
    pub fn probed(&self, result: Result<(), StorageError>) {
        let mut inner = self.lock();
        let BreakerState::Open { since, is_schema, reason } = &mut inner.state else { return };
        match result {
            Ok(()) => {
                let open_for = self.clock.monotonic().saturating_sub(*since);
                inner.state = BreakerState::Closed;
                inner.consecutive_failures = 0;
                inner.calls.clear();
                drop(inner);
                self.tell();
                tracing::info!(event = "database_breaker_closed", ?open_for, "database breaker closed");
            }
            Err(error) => {
                *is_schema = error.kind == StorageErrorKind::Schema;
                *reason = error.message;
            }
        }
    }

    /// Waits until the breaker is open.
    pub async fn wait_until_open(&self) {
        // This breaker owns the sender, so the channel stays open.
        let _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
    }

    /// Publishes the current state to waiting calls. It reads the state itself, so two concurrent calls
    /// cannot publish an older state last.
    fn tell(&self) {
        self.is_open.send_modify(|is_open| *is_open = !self.is_closed());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use pipeline::clock::Timestamp;

    use super::*;

    #[derive(Debug, Default)]
    struct HandClock(Mutex<Duration>);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }

        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
    }

    fn breaker() -> (Breaker, Arc<HandClock>) {
        let clock = Arc::new(HandClock::default());
        (Breaker::new(BreakerConfig::default(), clock.clone()), clock)
    }

    fn failed(kind: StorageErrorKind) -> Result<(), StorageError> {
        Err(StorageError::new(kind, "connection refused"))
    }

    #[test]
    fn three_consecutive_failures_open_it_until_a_probe() {
        let (breaker, _) = breaker();
        for _ in 0..2 {
            breaker.record(&failed(StorageErrorKind::Unavailable));
        }
        breaker.record(&Ok(()));
        for _ in 0..2 {
            breaker.record(&failed(StorageErrorKind::Indeterminate));
            assert!(breaker.admit().is_ok());
        }
        breaker.record(&failed(StorageErrorKind::Unavailable));
        assert_eq!(breaker.admit().unwrap_err().kind, StorageErrorKind::Unavailable);
        breaker.probed(failed(StorageErrorKind::Unavailable));
        assert!(!breaker.is_closed());
        breaker.probed(Ok(()));
        assert!(breaker.admit().is_ok());
        breaker.record(&failed(StorageErrorKind::Unavailable));
        assert!(breaker.is_closed(), "counting begins anew");
    }

    #[test]
    fn a_failure_ratio_opens_it_within_the_window() {
        let (breaker, clock) = breaker();
        for round in 0..30 {
            *clock.0.lock().unwrap() = Duration::from_secs(4 * round);
            breaker.record(&failed(StorageErrorKind::Unavailable));
            breaker.record(&failed(StorageErrorKind::Unavailable));
            breaker.record(&Ok(()));
            if round < 3 {
                assert!(breaker.is_closed(), "round {round}");
            }
        }
        assert!(!breaker.is_closed());
        let (slow, clock) = self::breaker();
        for round in 0..30 {
            *clock.0.lock().unwrap() = Duration::from_secs(60 * round);
            slow.record(&failed(StorageErrorKind::Unavailable));
            slow.record(&Ok(()));
        }
        assert!(slow.is_closed());
    }

    #[test]
    fn schema_failures_open_it_and_neutral_errors_never() {
        let (breaker, _) = breaker();
        for kind in [StorageErrorKind::Fenced, StorageErrorKind::Conflict, StorageErrorKind::Invalid] {
            for _ in 0..20 {
                breaker.record(&failed(kind));
            }
        }
        assert!(breaker.is_closed());
        breaker.record(&failed(StorageErrorKind::Schema));
        assert!(matches!(breaker.state(), BreakerState::Open { is_schema: true, .. }));
        assert_eq!(breaker.admit().unwrap_err().kind, StorageErrorKind::Schema);
    }

    #[tokio::test]
    async fn all_who_wait_are_woken_by_the_opening() {
        let (breaker, _) = breaker();
        let breaker = Arc::new(breaker);
        let waiting = [(); 3].map(|()| {
            let breaker = breaker.clone();
            tokio::spawn(async move { breaker.wait_until_open().await })
        });
        breaker.record(&failed(StorageErrorKind::Schema));
        for waiting in waiting {
            waiting.await.unwrap();
        }
    }
}
