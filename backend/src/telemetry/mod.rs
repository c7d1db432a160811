//! Log lines and metrics.

pub mod logs;
pub mod metrics;
