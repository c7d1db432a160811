//! The breaker in front of the model's endpoint: one of the calls probes whether it is back.

use std::time::Duration;

use foundation::resilience::{self, Limits, Policy, ProbedByTraffic};

/// When the breaker opens and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerConfig {
    pub limits: Limits,
    /// How long it stays open before a probe is let through.
    pub open_for: Duration,
}

impl Default for BreakerConfig {
    /// More than half of at least 10 requests within a minute; open for 30 s.
    fn default() -> Self {
        Self {
            limits: Limits {
                consecutive_failures_max: None,
                failure_share_max: 0.5,
                calls_min: 10,
                window: Duration::from_secs(60),
            },
            open_for: Duration::from_secs(30),
        }
    }
}

impl Policy for BreakerConfig {
    type Reason = ();

    fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl ProbedByTraffic for BreakerConfig {
    fn open_for(&self) -> Duration {
        self.open_for
    }
}

/// Shared by all calls of one client.
pub type Breaker = resilience::Breaker<BreakerConfig>;
