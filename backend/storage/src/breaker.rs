//! The breaker in front of the database: while it is open, no call waits for a database that is not there.
//!
//! Calls of clients and workers never find out whether the database is back. A background task probes it, and closes the
//! breaker.

use std::{sync::Arc, time::Duration};

use foundation::resilience::{self, Limits, Policy, Recovery};
use pipeline::clock::Clock;

use crate::error::{StorageError, StorageErrorKind};

/// When the database's breaker opens.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerConfig {
    pub limits: Limits,
    pub recovery: Recovery,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        let limits = Limits {
            // Three tell an outage from a hiccup within one write's retries.
            consecutive_failures_max: 3,
            // A database that answers every other write is not one to rely on.
            failure_share_max: 0.5,
            calls_min: 10,
            window: Duration::from_secs(30),
        };
        let recovery = Recovery {
            // One answer between two failures proves nothing.
            good_probes: 2,
            good_probes_max: 8,
            // An operator waits a second without wondering, and it is nothing to a database.
            wait: Duration::from_secs(1),
            wait_max: Duration::from_secs(30),
            confirm_wait: Duration::from_millis(200),
            // Longer than the longest wait, so that a breaker that opens again and again stays open longer.
            stable_after: Duration::from_secs(120),
        };
        Self { limits, recovery }
    }
}

/// Why the database's breaker is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The database answers, but lacks something of the schema.
    is_schema: bool,
    message: String,
    sqlstate: Option<String>,
}

/// The SQLSTATE of a full disk. Small writes may still find room, so their success proves nothing.
const DISK_FULL: &str = "53100";

impl Policy for BreakerConfig {
    type Reason = Outage;

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Nothing but a migration repairs the schema, and nothing but an operator a full disk.
    fn opens_at_once(&self, outage: &Outage) -> bool {
        outage.is_schema || outage.sqlstate.as_deref() == Some(DISK_FULL)
    }

    fn opened(&self, outage: &Outage) {
        tracing::error!(event = "database_breaker_opened", reason = %outage.message, sqlstate = outage.sqlstate, is_schema = outage.is_schema, "database breaker opened");
    }

    fn closed(&self, open_for: Duration) {
        tracing::info!(event = "database_breaker_closed", ?open_for, "database breaker closed");
    }
}

/// The breaker's state, for health and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    /// Open since this time of the monotonic clock, for this reason.
    Open {
        since: Duration,
        is_schema: bool,
        reason: String,
        sqlstate: Option<String>,
    },
}

/// The shared breaker, in terms of storage errors.
#[derive(Debug)]
pub struct Breaker(resilience::Breaker<BreakerConfig>);

impl Breaker {
    #[must_use]
    pub fn new(config: BreakerConfig, clock: Arc<dyn Clock>) -> Self {
        Self(resilience::Breaker::new(config, clock))
    }

    /// The current state.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.0.state() {
            resilience::BreakerState::Open { since, reason: Outage { is_schema, message, sqlstate } } => {
                BreakerState::Open { since, is_schema, reason: message, sqlstate }
            }
            resilience::BreakerState::Closed => BreakerState::Closed,
        }
    }

    /// Lets a call through, unless the breaker is open.
    ///
    /// # Errors
    ///
    /// `Schema` or `Unavailable`: the reason for which the breaker is open.
    pub fn admit(&self) -> Result<(), StorageError> {
        self.0.admit().map_err(|Outage { is_schema, message, sqlstate }| {
            let kind = if is_schema { StorageErrorKind::Schema } else { StorageErrorKind::Unavailable };
            let error = StorageError::new(kind, message);
            match sqlstate {
                Some(sqlstate) => error.with_sqlstate(&sqlstate),
                None => error,
            }
        })
    }

    /// Whether the breaker admits calls.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Takes note of how a call ended. An error that says nothing about the database counts as a success.
    pub fn record<T>(&self, result: &Result<T, StorageError>) {
        self.0.record(result.as_ref().err().filter(|error| error.is_failure_of_the_store()).map(outage));
    }

    /// As [`Breaker::record`] for a read by a client: its success says nothing about writes.
    pub fn record_read<T>(&self, result: &Result<T, StorageError>) {
        if let Some(error) = result.as_ref().err().filter(|error| error.is_failure_of_the_store()) {
            self.0.record_failure(outage(error));
        }
    }

    /// When a call last failed, by the monotonic clock.
    #[must_use]
    pub fn last_failure(&self) -> Option<Duration> {
        self.0.last_failure()
    }

    /// How long to wait before the next probe of an open breaker.
    #[must_use]
    pub fn probe_wait(&self) -> Duration {
        self.0.probe_wait()
    }

    /// Takes note of what a probe of an open breaker found.
    pub fn probed(&self, result: &Result<(), StorageError>) {
        self.0.probed(result.as_ref().err().map(outage));
    }

    /// Waits until the breaker is open.
    pub async fn wait_until_open(&self) {
        self.0.wait_until_open().await;
    }
}

fn outage(error: &StorageError) -> Outage {
    Outage {
        is_schema: error.kind == StorageErrorKind::Schema,
        message: error.message.clone(),
        sqlstate: error.sqlstate().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use foundation::clock::SystemClock;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerConfig::default(), Arc::new(SystemClock::default()))
    }

    fn failed(kind: StorageErrorKind) -> Result<(), StorageError> {
        Err(StorageError::new(kind, "connection refused"))
    }

    #[test]
    fn three_outages_in_a_row_open_it() {
        let breaker = breaker();
        breaker.record(&failed(StorageErrorKind::Unavailable));
        breaker.record(&failed(StorageErrorKind::Indeterminate));
        assert!(breaker.admit().is_ok());
        breaker.record(&failed(StorageErrorKind::Unavailable));
        assert_eq!(breaker.admit().unwrap_err().kind, StorageErrorKind::Unavailable);
        breaker.probed(&failed(StorageErrorKind::Unavailable));
        assert!(!breaker.is_closed());
        breaker.probed(&Ok(()));
        assert!(!breaker.is_closed(), "one good probe proves nothing");
        breaker.probed(&Ok(()));
        assert!(breaker.admit().is_ok());
    }

    #[test]
    fn a_full_disk_opens_it_at_once() {
        let breaker = breaker();
        let full = StorageError::new(StorageErrorKind::Unavailable, "no space").with_sqlstate("53100");
        breaker.record::<()>(&Err(full));
        assert_eq!(breaker.admit().unwrap_err().sqlstate(), Some("53100"));
    }

    #[test]
    fn reads_and_crowds_hide_no_failing_write() {
        let breaker = breaker();
        for _ in 0..3 {
            assert!(breaker.is_closed());
            breaker.record(&failed(StorageErrorKind::Unavailable));
            breaker.record_read(&Ok(()));
        }
        assert!(!breaker.is_closed());
        let crowded = self::breaker();
        for _ in 0..20 {
            crowded.record(&failed(StorageErrorKind::Busy));
        }
        assert!(crowded.is_closed());
    }

    #[test]
    fn only_a_schema_failure_opens_it_at_once() {
        let breaker = breaker();
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
}
