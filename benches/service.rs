//! Measures the service's own figures against the targets: `make bench BENCH=service`.
//!
//! It uses the real binary, a real PostgreSQL (without fsync, as in tests), real files, and a model that
//! answers at once. Client and model share this machine's cores with everything else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![allow(dead_code)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::{postgres::Stop, service::TestEnv};

/// The rate of submissions per second, and the duration in seconds.
const ACCEPT_RATE: usize = 200;
const ACCEPT_SECONDS: usize = 5;

#[tokio::main]
async fn main() {
    let env = TestEnv::with_database().await;
    cold_start(&env).await;
    one_run(&env).await;
    accept_latency(&env).await;
    failover().await;
}

fn row(what: &str, value: &str, target: &str) {
    println!("{what:<64} {value:>12}   target {target}");
}

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

async fn cold_start(env: &TestEnv) {
    let mut times = Vec::new();
    let mut memory_kib = 0;
    for _ in 0..5 {
        let started = Instant::now();
        let service = env.serve(&[]).await;
        service.wait_for_path("/health", |_, health| health["status"] == "healthy").await;
        times.push(started.elapsed());
        memory_kib = service.memory_kib();
    }
    times.sort();
    row("cold start to the first healthy /health, median of 5", &ms(times[2]), "< 150 ms");
    row("idle memory (RSS)", &format!("{:.1} MB", memory_kib as f64 / 1024.0), "< 30 MB");
}

async fn one_run(env: &TestEnv) {
    let service = env.serve(&[]).await;
    let mut times = Vec::new();
    for number in 0..30 {
        let run_id = format!("one-{number}");
        service.submit(&env.request(&run_id)).await;
        service.ended(&run_id).await;
        times.push(service.run_time(&run_id));
    }
    times.sort();
    row("a whole run (Markdown, DUAL_WRITE), median of 30, from its log", &ms(times[15]), "< 15 ms");
}

async fn accept_latency(env: &TestEnv) {
    // No slots for runs, so that acceptance alone is measured, on both cores.
    let service = env.serve(&[("ROLE", "web")]).await;
    let started = Instant::now();
    let posts = (0..ACCEPT_RATE * ACCEPT_SECONDS).map(|number| {
        let (service, request) = (&service, env.request(&format!("accept-{number}")));
        async move {
            let due = started + Duration::from_secs_f64(number as f64 / ACCEPT_RATE as f64);
            tokio::time::sleep_until(due.into()).await;
            let (status, answer) = service.post(&request).await.unwrap();
            assert_eq!(status, 202, "{answer}");
            // Count from the planned time, because a real client waits in its queue too.
            due.elapsed()
        }
    });
    let mut times = join_all(posts).await;
    times.sort();
    row("POST /run at 200/s (DUAL_WRITE), p50", &ms(percentile(&times, 0.5)), "");
    row("POST /run at 200/s (DUAL_WRITE), p99", &ms(percentile(&times, 0.99)), "< 25 ms");
}

async fn failover() {
    let mut env = TestEnv::with_database().await;
    let service = env.serve(&[]).await;
    service.submit(&env.request("warm")).await;
    service.ended("warm").await;
    env.postgres().stop(Stop::Immediate);
    let started = Instant::now();
    service.submit(&env.request("after")).await;
    service.wait_for("after", |status| status["stages"]["1"]["status"] == "complete").await;
    row("PostgreSQL killed: accepted, and first stage safe in a file", &ms(started.elapsed()), "< 2.5 s");
}
