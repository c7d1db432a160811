//! Notifications of changes between replicas, through the database.

pub(super) mod listener;
pub(super) mod notifier;
