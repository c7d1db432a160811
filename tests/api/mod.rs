//! Clients list, read, retry, cancel and delete runs: the real binary and a real PostgreSQL, also while processes die
//! in the middle of it.

mod cancel;
mod delete;
mod list;
mod pages;
mod report;
mod retry;

use crate::support::{
    openrouter::calls,
    service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, SHORT_LEASE, Service, TestEnv, env, fail_after},
};

/// A run that has failed at its second stage.
async fn failed(env: &TestEnv, service: &Service, run: &str) {
    fail_after(env, 1);
    service.submit(&env.request(run)).await;
    let status = service.ended(run).await;
    assert_eq!(status["error"]["code"], "LLM_ERROR", "{status}");
}

/// Two lists of settings in one.
fn with<'a>(one: &[(&'a str, &'a str)], other: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    one.iter().chain(other).copied().collect()
}
