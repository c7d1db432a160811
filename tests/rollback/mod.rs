//! Pulling the plug on storage, under the running service: whole runs, a real PostgreSQL, the real binary.
//!
//! Every test asserts what the client sees, that the run ends, that both stores agree where both hold it, and how many
//! model calls were paid.

mod database;
mod disk;
mod durability;
mod half_open;
mod idempotency;
mod modes;
mod stopping;

use std::time::Duration;

use crate::support::{
    openrouter::{Options, calls},
    service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, TestEnv, env},
};

/// Slow enough that a test can act while a run is under way, whatever else the machine does.
fn slow_model() -> Options {
    Options { latency: Duration::from_millis(400), ..Options::default() }
}

/// An environment with a database and a slow model.
async fn slow_env() -> TestEnv {
    env(slow_model().latency).await
}

/// Both flags off.
const INVALID: &[(&str, &str)] = &[("ENABLE_DATABASE_WRITES", "false"), ("ENABLE_FILE_FALLBACK", "false")];
