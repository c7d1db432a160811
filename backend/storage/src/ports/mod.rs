//! The ports of a store, one file per concern.

pub mod changes;
pub mod control;
pub mod lifecycle;
pub mod listing;
pub mod outbox;
pub mod replicas;
pub mod store;
pub mod sync;
