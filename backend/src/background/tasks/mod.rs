//! One file for each task: when it runs, what one pass does, and what it logs.

pub mod answers;
pub mod audit;
pub mod baseline;
pub mod batches;
pub mod bucket_guard;
pub mod change_publisher;
pub mod database_probe;
pub mod documents;
pub mod file_probe;
pub mod flags_file;
pub mod flags_sync;
pub mod keys;
pub mod leases;
pub mod mirror;
pub mod notifications;
pub mod reconcile;
pub mod removals;
pub mod replica_heartbeat;
pub mod replica_lock;
pub mod retention;
pub mod run_poll;
pub mod webhooks;
