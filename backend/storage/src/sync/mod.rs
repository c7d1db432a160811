//! Brings the row and the files of a run together: on a claim, in the background and by command.
//!
//! `plan` compares both sides and touches no store. `apply` does what the plan says. Each step is idempotent or fenced,
//! so the process may die at any point and start again.

pub(crate) mod apply;
mod compare;
pub mod export;
mod failures;
mod look;
pub(crate) mod missing_row;
mod outcome;
mod pass;
pub(crate) mod plan;
mod preview;
mod rebuild;
mod reconcile;
mod reconciler;
pub mod resolve;
pub mod survey;
mod sweep;
pub mod verify;
mod versions;
mod write_path;

pub use self::{
    outcome::{ReconcileOutcome, ReconcileStatus, ReconcileSummary},
    reconciler::Reconciler,
    versions::Versions,
    write_path::{ActiveRuns, WritePath},
};
