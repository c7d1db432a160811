//! The results of reconciliation: of one run, of a pass, and for health.

use pipeline::{clock::Timestamp, run::RunId};
use serde::Serialize;

use crate::{optional_millis, part::Part};

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReconcileOutcome {
    /// Both sides hold the same, and both keep the proof.
    Proved {
        /// Stages that the database lacked.
        stages_written: usize,
    },
    /// A worker works on it, or it has not ended.
    Skipped,
    /// The run has no files here.
    NoFiles,
    /// The run was deleted; this disk's files of it are removed.
    Deleted,
    /// The database had the whole run and has no row now: its owner removed it, or an older backup was restored.
    RowMissing,
    /// Neither side knows it.
    Unknown,
    /// These parts differ.
    Conflict {
        #[serde(rename = "numbers")]
        parts: Vec<Part>,
    },
    /// The database or the files did not take a write; the next pass tries again.
    Failed { reason: String },
}

/// The result of one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReconcileSummary {
    pub runs: usize,
    pub proved: usize,
    pub stages_written: usize,
    pub left: usize,
    pub unknown: usize,
    /// Ended runs of these files whose row is gone, as far as the command has looked.
    pub missing_rows: usize,
    pub conflicts: Vec<RunId>,
    pub failed: Vec<RunId>,
}

impl ReconcileSummary {
    /// Counts one more run.
    pub fn add(&mut self, run: RunId, outcome: &ReconcileOutcome) {
        self.runs += 1;
        match outcome {
            ReconcileOutcome::Proved { stages_written } => {
                self.proved += 1;
                self.stages_written += stages_written;
            }
            ReconcileOutcome::Skipped
            | ReconcileOutcome::NoFiles
            | ReconcileOutcome::Deleted
            | ReconcileOutcome::RowMissing => self.left += 1,
            ReconcileOutcome::Unknown => self.unknown += 1,
            ReconcileOutcome::Conflict { .. } => self.conflicts.push(run),
            ReconcileOutcome::Failed { .. } => self.failed.push(run),
        }
    }

    /// Counts the runs of another summary too.
    pub fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.proved += other.proved;
        self.stages_written += other.stages_written;
        self.left += other.left;
        self.unknown += other.unknown;
        self.missing_rows += other.missing_rows;
        self.conflicts.extend(other.conflicts);
        self.failed.extend(other.failed);
    }

    /// Whether the pass settled everything that it could.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.conflicts.is_empty() && self.failed.is_empty() && self.unknown == 0
    }
}

/// The state of reconciliation, for health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ReconcileStatus {
    /// Of the last pass that had runs to reconcile. The log and the command name the runs.
    pub proved: usize,
    pub stages_written: usize,
    /// Runs whose row and files differ now; while the database is away, of the last pass.
    pub conflicts: usize,
    // Runs whose last attempt failed, until they are settled or no longer marked.
    pub failed: usize,
    /// Ended runs of these files whose row is gone, by the last survey.
    pub missing_rows: usize,
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub last_pass_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_millis::serialize")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub last_proof_at: Option<Timestamp>,
    /// Stage outputs a second in the last pass that wrote any.
    pub stages_per_second: Option<u64>,
}
