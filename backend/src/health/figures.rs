//! The counts that decide about health, and the words for what is wrong.

use schemars::JsonSchema;
use serde::Serialize;
use storage::files::{DurabilityForecast, Unsynced};

/// Why a service that works does not work as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DegradedReason {
    /// The mode in effect is not the configured one.
    EffectiveMode,
    Database,
    Files,
    /// Runs whose row and files differ.
    Conflicts,
    /// The flags file is rejected.
    Flags,
    /// The database lacks a part for longer than 30 s, or only an ephemeral disk has it.
    UnsyncedAge,
    /// The last pass of reconciliation failed, for a run or as a whole.
    ReconciliationFailing,
}

/// The counts that decide about health.
#[derive(Debug)]
pub(super) struct Figures {
    /// None while unknown.
    pub(super) conflicts: Option<usize>,
    pub(super) unsynced: Option<Unsynced>,
    pub(super) forecast: Option<DurabilityForecast>,
}
