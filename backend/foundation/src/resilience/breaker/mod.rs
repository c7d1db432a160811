//! A circuit breaker: it refuses calls to a dependency that keeps failing, until a probe succeeds.
//!
//! A [`Policy`] says when it opens. There are two ways to probe. A breaker whose policy is [`ProbedByTraffic`] lets one of
//! the callers through after a while (`traffic`). Any other one waits for a task that probes the dependency and reports
//! what it found (`outside`): no caller ever pays for the probe.

mod core;
mod outside;
mod traffic;
mod window;

pub use self::{
    core::{Breaker, BreakerState, Limits, Policy, Recovery},
    traffic::{Permit, ProbedByTraffic},
};
