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

pub mod atomic;
pub mod breaker;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod database;
mod error;
pub mod files;
pub mod frontend_rows;
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
pub mod router;
mod run;
pub mod sync;
mod term;

/// Part of what a [`router::Database`] is made of.
pub use foundation::resilience::bulkhead;

pub use self::{
    error::{StorageError, StorageErrorKind},
    part::{Part, UnknownPart},
    ports::{
        changes::{ChangeNotifier, Mark, Notification, RunChanges},
        control::Control,
        lifecycle::{Acceptance, Claim, Fence, Lease, Lifecycle},
        listing::{COUNTED_MAX, FrontendRun, Listing, PageStart, Position, RunPage, RunQueries, RunSummary},
        outbox::{Delivery, DeliveryCounts, DeliveryOutcome, DueDelivery, Outbox, WebhookEvent},
        prelude,
        queue_stats::QueueStats,
        replicas::{Replica, ReplicaRegistry},
        stages::Stages,
        store::Store,
        sync::{Proof, Row, SyncTarget},
        tombstones::{TombstoneOutcome, Tombstones},
    },
    run::{End, RunRecord, RunRequest, RunSubmission, StoredIn, StoredStage},
    term::Term,
};
