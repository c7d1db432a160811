//! The ports of a store, one file per concern.

pub mod batches;
pub mod changes;
pub mod clock_skew;
pub mod combined;
pub mod control;
pub mod lifecycle;
pub mod listing;
pub mod outbox;
pub mod prelude;
pub mod queue_stats;
pub mod replicas;
pub mod search;
pub mod stages;
pub mod store;
pub mod sync;
pub mod tombstones;
