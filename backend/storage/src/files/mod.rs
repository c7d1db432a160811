//! Runs in files: `{root}/{run_id}/stage{n}/{name}.json`, `report.md`, `run.json`; atomic, durable, digest-checked
//! on read. The root is a folder or a bucket (`backend/`); the rules are the same for both.
//!
//! # Invariants
//!
//! * A stage file is created once and never replaced; a different record for it is a conflict.
//! * The stage file is durable before the manifest names it. After a crash in between, the record's own payload
//!   digest still proves it.
//! * A manifest changes for nobody but the fence that it names, and only as it was read: under its run's lock in a folder,
//!   by compare-and-set in a bucket. Who was second begins again.

mod backend;
mod calls;
pub mod config;
mod db_sync;
mod integrity;
mod layout;
mod leases;
pub mod manifest;
mod markers;
mod missing_row;
mod outbox;
mod ports;
mod repair;
mod run_files;
mod runs;
mod spool;
mod stages;
mod store;
mod tombstones;

pub use self::{
    db_sync::DbSync,
    repair::Damage,
    runs::{accept::OpenError, unsynced::Unsynced},
    store::FileStore,
};
