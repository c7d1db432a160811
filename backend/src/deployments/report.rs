//! One look at one process of a deployment.

use serde::{Deserialize, Serialize};

use super::totals::Totals;

/// The answer of a process to the question for its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportedHealth {
    Healthy,
    /// A store that the configuration names does not work.
    Degraded,
    /// `/health` answers 503.
    Unhealthy,
    /// It did not answer in time.
    TimedOut,
}

/// The figures of one process since its start, and its health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessReport {
    pub totals: Totals,
    pub health: ReportedHealth,
    /// The names of what does not work.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Whether the database answers. None if the mode has none.
    pub database: Option<bool>,
    pub cpu_share: Option<f64>,
    pub memory_share: Option<f64>,
    pub pool_share: Option<f64>,
    /// The configured storage mode.
    pub mode: String,
}

/// Whether a reason of a degraded service is a store. A conflict between two records, say, is no fault of a deployment.
pub(super) fn is_store(reason: &str) -> bool {
    matches!(reason, "database" | "files" | "effective_mode")
}

/// A process, as the arbiter sees it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeenProcess {
    /// Whether it has ever accepted runs.
    pub was_ready: bool,
    pub state: ProcessState,
    pub report: Option<ProcessReport>,
}

/// Whether a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessState {
    Live,
    /// It said goodbye.
    Left,
    /// It is silent and has not said goodbye.
    Crashed,
}
