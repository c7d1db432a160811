//! The file backends: a local folder, or a bucket.

mod client;
pub(super) mod file_backend;
mod heartbeat;
pub(super) mod local_fs;
mod owner_locks;
pub(super) mod s3;
