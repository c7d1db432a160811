//! Log lines, metrics and traces.

pub mod figures;
pub mod logs;
pub mod metrics;
pub mod metrics_json;
pub mod minute;
pub mod names;
pub mod process_usage;
pub mod stores;
pub mod traces;
