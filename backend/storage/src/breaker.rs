//! The breaker in front of the database: while it is open, no call waits for a database that is not there.
//!
//! Calls of clients and workers never find out whether the database is back. A background task probes it, and closes the
//! breaker.

use std::{sync::Arc, time::Duration};

use foundation::resilience::{self, Limits, Policy};
use pipeline::clock::Clock;

use crate::error::{StorageError, StorageErrorKind};

/// When the database's breaker opens.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerConfig(pub Limits);

impl Default for BreakerConfig {
    fn default() -> Self {
        Self(Limits {
            // Three tell an outage from a hiccup within one write's retries.
            consecutive_failures_max: Some(3),
            // A database that answers every other write is not one to rely on.
            failure_share_max: 0.5,
            calls_min: 10,
            window: Duration::from_secs(30),
        })
    }
}

/// Why the database's breaker is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The database answers, but lacks something of the schema.
    is_schema: bool,
    message: String,
}

impl Policy for BreakerConfig {
    type Reason = Outage;

    fn limits(&self) -> &Limits {
        &self.0
    }

    /// Nothing but a migration repairs the schema.
    fn opens_at_once(&self, outage: &Outage) -> bool {
        outage.is_schema
    }

    fn opened(&self, outage: &Outage) {
        tracing::error!(event = "database_breaker_opened", reason = %outage.message, is_schema = outage.is_schema, "database breaker opened");
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
            resilience::BreakerState::Open { since, reason: Outage { is_schema, message } } => {
                BreakerState::Open { since, is_schema, reason: message }
            }
            // No caller of the database ever probes.
            resilience::BreakerState::Closed | resilience::BreakerState::Probing => BreakerState::Closed,
        }
    }

    /// Lets a call through, unless the breaker is open.
    ///
    /// # Errors
    ///
    /// `Schema` or `Unavailable`: the reason for which the breaker is open.
    pub fn admit(&self) -> Result<(), StorageError> {
        self.0.admit().map_err(|Outage { is_schema, message }| {
            let kind = if is_schema { StorageErrorKind::Schema } else { StorageErrorKind::Unavailable };
            StorageError::new(kind, message)
        })
    }

    /// Whether the breaker admits calls.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Takes note of how a call ended. An error that says nothing about the database counts as a success.
    pub fn record<T>(&self, result: &Result<T, StorageError>) {
        self.0.record(result.as_ref().err().filter(|error| error.is_outage()).map(outage));
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
    Outage { is_schema: error.kind == StorageErrorKind::Schema, message: error.message.clone() }
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
        assert!(breaker.admit().is_ok());
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
