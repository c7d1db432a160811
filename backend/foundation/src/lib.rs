//! The base of storage and service. Nothing here knows a run.

#![warn(clippy::missing_errors_doc)]

pub mod clock;
pub mod failpoints;
pub mod resilience;
pub mod safe_read;
pub mod tls;
