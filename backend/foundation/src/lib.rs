//! The base of storage and service. Nothing here knows a run.

#![warn(clippy::missing_errors_doc)]

pub mod clock;
pub mod failpoints;
pub mod one_at_a_time;
pub mod resilience;
pub mod safe_read;
pub mod tls;
