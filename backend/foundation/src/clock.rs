//! The system's clocks. No other file of the workspace reads one; `tests/architecture.rs` proves it.
//!
//! Code that stores, logs or shows a time takes a [`Clock`]. Code that passes a deadline to one of tokio's timers takes it
//! from [`timer_now`]: a timer accepts no other clock.

use std::time::Duration;

use pipeline::clock::{Clock, Timestamp};
use tokio::time::Instant;

/// Real time. A test that pauses tokio's clock pauses the monotonic readings too.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: timer_now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        wall_now().into()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The present reading of the clock that tokio's timers use: for deadlines of I/O, and for the ages of what I/O left behind
/// (connections, cached answers).
#[must_use]
pub fn timer_now() -> Instant {
    Instant::now()
}

/// The present reading of the wall clock, for spans of traces: their exporter takes the system's times. Everything else is
/// given a `Clock`.
// The one place that may.
#[allow(clippy::disallowed_methods)]
#[must_use]
pub fn wall_now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
