//! The only part that knows the storage modes. It decides which stores receive a write, and what follows if
//! one fails.
//!
//! It implements the failure table of docs/STORAGE.md, "When something fails", row by row.

mod accept;
mod active_runs;
mod batches;
mod both_sides;
mod claim;
mod connectivity;
mod control;
mod core;
mod file_alarm;
mod forecast;
mod hand;
mod lease_wait;
mod leases;
mod listing;
mod mirror;
mod poll_limiter;
mod presence;
mod resume;
mod retry;
mod row_ahead;
mod state;
mod store;
mod tombstones;
mod write;

pub use self::{
    accept::FileRefusal,
    batches::SettledBatches,
    core::{Router, RouterConfig},
    forecast::forecast,
    presence::{FileAcceptance, PresenceRules, ReplicaPresence},
    resume::Resume,
    state::StorageState,
};
pub use crate::database::{Database, ReadLimiter};
