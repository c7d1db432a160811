//! A circuit breaker: it refuses calls to a dependency that keeps failing, until a probe succeeds.
//!
//! A [`Policy`] says when it opens. It then waits for a task that probes the dependency and reports the result
//! (`outside`), so no caller ever pays for the probe.

mod core;
mod outside;
mod window;

pub use self::core::{Breaker, BreakerState, Limits, Policy, Recovery};
