//! What clients do to runs that are there: list, read, retry, cancel and delete them, over the real binary and a real
//! PostgreSQL, also while processes die in the middle of it.

mod cancel;
mod delete;
mod list;
mod report;
mod retry;

use std::time::{Duration, Instant};

use crate::support::{
    openrouter::calls,
    service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, Service, TestEnv, env, fail_after},
};

/// A lease that a test can wait for.
const SHORT: [(&str, &str); 5] = [
    ("LEASE_SECONDS", "1"),
    ("DATABASE_WRITE_TIMEOUT_MS", "900"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "800"),
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "700"),
    ("DATABASE_LOCK_TIMEOUT_MS", "700"),
];

/// A run that has failed at its second stage.
async fn failed(env: &TestEnv, service: &Service, run: &str) {
    fail_after(env, 1);
    service.submit(&env.request(run)).await;
    let status = service.ended(run).await;
    assert_eq!(status["error"]["code"], "LLM_CREDITS", "{status}");
}

/// Settings together.
fn with<'a>(one: &[(&'a str, &'a str)], other: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    one.iter().chain(other).copied().collect()
}

/// Waits for a condition that costs nothing to ask for.
async fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}
