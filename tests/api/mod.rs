//! What clients do to runs that are there: list, read, retry, cancel and delete them, over the real binary and a real
//! PostgreSQL, also while processes die in the middle of it.

mod cancel;
mod delete;
mod list;
mod report;
mod retry;

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    openrouter::{Options, Reply, Wrapping, calls},
    postgres::Postgres,
    service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, Service, World},
};

/// A lease that a test can wait for.
const SHORT: [(&str, &str); 5] = [
    ("LEASE_SECONDS", "1"),
    ("DATABASE_WRITE_TIMEOUT_MS", "900"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "800"),
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "700"),
    ("DATABASE_LOCK_TIMEOUT_MS", "700"),
];

/// A world with a database and a model that takes its time.
async fn world(latency: Duration) -> World {
    let mut world = World::with_model(Options { latency, ..Options::default() }).await;
    world.postgres = Some(Postgres::start());
    world.migrate();
    world
}

/// Lets the model fail for good after so many answers.
fn fail_after(world: &World, answers: usize) {
    let no_credit = Reply::Status {
        status: 402,
        headers: Vec::new(),
        body: json!({"error": {"code": 402, "message": "Insufficient credits"}}),
    };
    world.model.script(vec![Reply::Answer(Wrapping::None); answers]);
    world.model.script([no_credit]);
}

/// A run that has failed at its second stage.
async fn failed(world: &World, service: &Service, run: &str) {
    fail_after(world, 1);
    service.submit(&world.request(run)).await;
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
