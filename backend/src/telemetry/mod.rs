//! Log lines and metrics.

pub mod figures;
pub mod logs;
pub mod metrics;
pub mod metrics_json;
pub mod process_usage;
