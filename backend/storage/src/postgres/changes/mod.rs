//! How replicas tell each other of changes, through the database.

pub(super) mod listener;
pub(super) mod notifier;
