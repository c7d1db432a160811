//! The interfaces of a store, one file a concern.

pub mod changes;
pub mod control;
pub mod lifecycle;
pub mod listing;
pub mod outbox;
pub mod replicas;
pub mod store;
pub mod sync;
