//! The storage of runs behind one trait: files, PostgreSQL, memory (for tests), and the router over them.
//! Only the router knows the storage modes.
//!
//! # Invariants
//!
//! * A run is accepted when its request is durable, and never twice.
//! * Every write of a worker names the fence of its claim. A later claim makes it stale.
//! * A stored stage is never replaced. Storing an equal record succeeds, and a different one is a conflict.
//! * A terminal status never changes within a generation.
//! * A deleted run's tombstone outlives the run, so nothing restores it.
//!
//! # Errors
//!
//! The kind of a [`StorageError`] says what the caller may do next.
//!
//! | kind | what happened | what the caller does |
//! |---|---|---|
//! | `Unavailable` | the store failed and wrote nothing | tries the same call later |
//! | `Indeterminate` | no answer came in time, so the write may have happened | repeats only an idempotent or fenced call |
//! | `Schema` | a table, a column or a permission is missing | waits for a migration |
//! | `CasConflict` | another writer changed the run at the same time, and this call wrote nothing | begins the operation again |
//! | `Fenced` | another worker owns the run, or the run has ended | stops its work on the run |
//! | `Conflict` | a different record is stored, and both are kept | leaves it to sync or an operator |
//! | `NotFound` | this store does not hold the run | asks the other store, or gives up |
//! | `Invalid` | the store can never accept this call | does not repeat it |
//!
//! The first four are outages, and a breaker counts them.
//!
//! # Layout
//!
//! * `run.rs` and `error.rs` hold the terms, and `ports/` holds one trait for each concern.
//! * `postgres/`, `files/` and `memory.rs` implement the traits. The suite in `contract.rs` tests them all.
//! * `router/` holds the write path, the leases and the modes. `sync/` compares and repairs row and files.

#![warn(clippy::missing_errors_doc)]

pub mod breaker;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod control_plane;
mod database;
mod error;
pub mod files;
pub mod frontend_rows;
mod gather;
pub mod leased;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod merge;
pub mod mode;
pub mod observer;
pub mod optional_millis;
mod part;
pub mod ports;
pub mod postgres;
pub mod private_tree;
pub mod router;
mod run;
pub mod sync;
mod term;
mod waiting;

/// Part of what a [`router::Database`] is made of.
pub use foundation::resilience::bulkhead;

pub use self::{
    error::{StorageError, StorageErrorKind},
    part::{Part, UnknownPart},
    ports::{
        batches::{Batch, BatchAcceptance, BatchRun, BatchSubmission, Batches},
        changes::{ChangeNotifier, Mark, Notification, RunChanges},
        clock_skew::ClockSkew,
        control::Control,
        lifecycle::{Acceptance, Claim, Fence, Lease, Lifecycle, WaitingRuns},
        listing::{COUNTED_MAX, FrontendRun, Listing, PageStart, Position, RunPage, RunQueries, RunSummary},
        outbox::{Delivery, DeliveryCounts, DeliveryOutcome, DueDelivery, Outbox, WebhookEvent},
        prelude,
        queue_stats::QueueStats,
        replicas::{Replica, ReplicaRegistry},
        search::{Activity, Found, FoundRun, LOOKED_AT_MAX, Minute, RunFilter, RunSearch},
        stages::Stages,
        store::Store,
        sync::{Expiry, Proof, Row, SyncTarget},
        tombstones::{TombstoneOutcome, Tombstones},
    },
    run::{End, RunRecord, RunRequest, RunSubmission, StoredIn, StoredStage},
    term::Term,
    waiting::{Postponement, WaitReason, Waiting},
};
