//! Measures several replicas on one PostgreSQL: `make bench BENCH=replicas`.
//!
//! It uses real binaries, a real PostgreSQL (without fsync, as in tests), and a separate disk for each
//! replica. Client and model share this machine's cores with everything else. So more replicas help only
//! while cores are free.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::cast_precision_loss)]
#![allow(dead_code)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{openrouter::Options, postgres::Postgres, service::TestEnv};

const RUNS: usize = 300;

#[tokio::main]
async fn main() {
    for replicas in [1, 2, 4] {
        throughput(replicas).await;
    }
    takeover().await;
    drain().await;
}

async fn env(latency: Duration) -> TestEnv {
    let mut env = TestEnv::with_model(Options { latency, ..Options::default() }).await;
    env.postgres = Some(Postgres::start());
    env.migrate();
    env
}

/// Measures how several workers process a backlog that a web-only replica has accepted.
async fn throughput(replicas: usize) {
    let env = env(Duration::ZERO).await;
    let web = env.replica("web", &[("ROLE", "web")]).await;
    for number in 0..RUNS {
        web.submit(&env.request(&format!("run-{number}"))).await;
    }
    let started = Instant::now();
    let mut workers = Vec::new();
    for number in 0..replicas {
        workers.push(env.replica(&format!("worker-{number}"), &[("ROLE", "worker")]).await);
    }
    let done = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'"#;
    env.wait_for_value(done, &RUNS.to_string()).await;
    let rate = RUNS as f64 / started.elapsed().as_secs_f64();
    println!("{replicas} worker(s), one-page document, DUAL_WRITE: {rate:.0} runs/s, their start included");
}

/// Measures the time from SIGKILL until another replica works on the run, with the default lease.
async fn takeover() {
    let env = env(Duration::from_secs(1)).await;
    let lease = [("LEASE_SECONDS", "15")];
    let mut one = env.replica("one", &lease).await;
    one.submit(&env.request("run-1")).await;
    one.wait_for("run-1", |status| status["stages"]["1"]["status"] == "complete").await;
    let two = env.replica("two", &lease).await;
    let killed = Instant::now();
    one.kill();
    two.wait_for_run_event("run-1", "run_started").await;
    println!(
        "SIGKILL to resumed elsewhere (lease 15 s): {:.1} s (target < 16 s)",
        killed.elapsed().as_secs_f64()
    );
}

/// Measures the time from SIGTERM to the end of the process, with active runs that end on their own.
async fn drain() {
    let env = env(Duration::from_millis(500)).await;
    let mut one = env.replica("one", &[]).await;
    for number in 0..50 {
        one.submit(&env.request(&format!("run-{number}"))).await;
    }
    let told = Instant::now();
    one.signal("TERM");
    assert_eq!(one.wait().await, Some(0));
    let left = env.value(r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" <> 'COMPLETED'"#).await;
    println!(
        "drain of 50 runs whose stages take 0.5 s: {:.1} s, {left} left over (window 25 s)",
        told.elapsed().as_secs_f64()
    );
}
