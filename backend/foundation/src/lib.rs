//! What the storage and the service both stand on. Nothing here knows a run.

pub mod backoff;
pub mod failpoints;
pub mod safe_read;
pub mod tls;
