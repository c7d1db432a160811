//! The parts of the deep report that describe storage and the model.

use schemars::JsonSchema;
use serde::Serialize;
use storage::{
    WaitReason,
    files::{DurabilityForecast, MirrorLag},
    mode::Mode,
    router::FileAcceptance,
    sync::ReconcileStatus,
};

use super::Durability;
use crate::{llm::gate::Pause, worker::wait_reason};

/// Whether the database has all migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    Ok,
    Behind,
    Unknown,
}

/// The breaker in front of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum DatabaseBreaker {
    Closed,
    Open {
        open_for_ms: u64,
        /// The database answers, but its schema lacks something.
        is_schema: bool,
    },
}

/// The state of storage, in numbers and names.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StorageReport {
    #[schemars(with = "Mode")]
    pub mode: &'static str,
    #[schemars(with = "Mode")]
    pub effective_mode: &'static str,
    /// Why the two modes differ.
    pub reason: Option<String>,
    pub flags_revision: u64,
    /// None without a database.
    pub breaker: Option<DatabaseBreaker>,
    pub schema: Schema,
    pub schema_detail: Option<String>,
    /// Ended runs of which the database lacks a part. None while unknown.
    pub unsynced: Option<usize>,
    /// Stages that the database lacks, of ended and open runs. For very many runs, a lower bound.
    pub unsynced_stages: Option<usize>,
    /// How long the oldest missing part has waited. None if the database lacks nothing.
    pub oldest_unsynced_seconds: Option<u64>,
    /// The parts of runs that the database has, and that the files get a moment later.
    pub mirror: MirrorReport,
    /// The state of reconciliation. None without a database.
    pub reconciliation: Option<ReconcileStatus>,
    /// How far the database's clock is ahead of this process's, by the last probe. None while unknown.
    pub database_clock_ahead_ms: Option<i64>,
    pub local_disk: Durability,
    /// The runs and stages that a redeploy now would lose. None while unknown.
    pub durability_forecast: Option<DurabilityForecast>,
    /// Whether this replica may accept runs by file alone.
    pub may_accept_by_file: bool,
    /// Why it may, or why not.
    pub file_acceptance: FileAcceptance,
    /// How much of a run's outputs survives the loss of this container.
    pub durability: Durability,
}

/// The writes of this process that the database has, and the files do not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MirrorReport {
    /// Stages and ends of runs.
    pub records: usize,
    pub bytes: usize,
    /// How long the oldest of them has waited.
    pub oldest_ms: u64,
}

impl From<MirrorLag> for MirrorReport {
    fn from(lag: MirrorLag) -> Self {
        let oldest_ms = u64::try_from(lag.age.as_millis()).unwrap_or(u64::MAX);
        Self { records: lag.records, bytes: lag.bytes, oldest_ms }
    }
}

/// A pause of the model in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModelPause {
    pub reason: WaitReason,
    pub since_seconds: u64,
    /// The time until the next probe.
    pub retry_in_seconds: u64,
}

impl From<Pause> for ModelPause {
    fn from(pause: Pause) -> Self {
        Self {
            reason: wait_reason(pause.code),
            since_seconds: pause.lasts.as_secs(),
            retry_in_seconds: pause.retry_in.as_secs(),
        }
    }
}
