//! The base of storage and service. Nothing here knows a run.

pub mod backoff;
pub mod failpoints;
pub mod safe_read;
pub mod tls;
