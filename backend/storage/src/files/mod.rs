//! Keeps runs in files: `{root}/{run_id}/stage{n}/{name}.json`, `report.md`, `run.json`. Writes are atomic
//! and durable; reads check the digest. The root is a folder or a bucket (`backend/`). The same rules hold
//! for both.
//!
//! # Invariants
//!
//! * A stage file is created once and never replaced. A different record for it is a conflict.
//! * The stage file is durable before the manifest names it. After a crash in between, the payload digest
//!   inside the record still proves it.
//! * Only the fence that the manifest names may change it, and only from the version that was read. A folder
//!   ensures this by the run's lock, a bucket by compare-and-swap. A writer that loses the race starts again.

mod alert_leader;
mod answers;
mod audit;
mod backend;
mod batch_file;
mod batches;
mod beside_row;
mod breaker;
mod calls;
pub mod config;
mod db_sync;
mod documents;
mod integrity;
mod io;
mod layout;
mod leases;
mod limits;
pub mod manifest;
mod manifests;
mod markers;
pub(crate) mod mirror;
mod missing_row;
mod notes;
mod operations;
mod outbox;
mod outline;
mod owners;
mod ports;
mod repair;
mod replica_locks;
mod run_files;
mod runs;
mod spool;
mod stages;
mod store;
mod tombstones;
mod user_runs;
mod webhook_queue;

pub use self::{
    alert_leader::AlertLeader,
    audit::AuditFiles,
    batch_file::BatchFile,
    breaker::FileBreaker,
    db_sync::DbSync,
    mirror::queue::{Mirror, MirrorLag},
    notes::{Note, NoteFolder},
    outline::FileOutline,
    repair::Damage,
    replica_locks::ReplicaLocks,
    runs::{
        accept::OpenError,
        forecast::DurabilityForecast,
        kept_document::{DocumentSweep, KeptDocument},
        unsynced::Unsynced,
    },
    store::FileStore,
};
