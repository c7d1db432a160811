//! What the process says of itself: log lines and metrics.

pub mod logs;
pub mod metrics;
