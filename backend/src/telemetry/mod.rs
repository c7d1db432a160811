//! What the process says of itself: metrics.

pub mod metrics;
