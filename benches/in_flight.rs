//! Measures ten thousand active runs on one replica, with a model that takes half a minute per call:
//! `make bench BENCH=in_flight`.
//!
//! Each run has a document of its own, and the answer cache is on, as in production. `IN_FLIGHT` and `MODEL_SECONDS`
//! change the figures. The model speaks HTTP/2 over TLS, as providers do. With
//! `MODEL_HTTP2=0` it speaks plain HTTP/1.1.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![allow(dead_code)]

mod harness;
#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use flate2::{Compression, write::DeflateEncoder};

use harness::{cpu_time, ms, percentile, row};
use support::{
    STAGE_FILES,
    openrouter::{
        Options,
        h2::{Front, Speaks},
    },
    postgres::Postgres,
    sample,
    service::TestEnv,
};

/// The document of every run, to which each adds a line of its own: no answer of another run fits.
const DOCUMENT: &str = "spotted-innovation.md";

/// The rate of submissions, above the rate at which one replica starts runs on two shared cores.
const POSTS_PER_SECOND: usize = 250;

fn from_environment(variable: &str, default: usize) -> usize {
    // The person who measures may set the number.
    #[allow(clippy::disallowed_methods)]
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}

/// The bytes of a value as a waiting run keeps it: compressed JSON.
fn compressed(json: &[u8]) -> usize {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(json).unwrap();
    encoder.finish().unwrap().len()
}

/// Tells the bytes of a run that waits for its last answer, by part. The rest is the run's task, its open
/// call, its lease and the allocator's share.
fn tell_parts(env: &TestEnv, bytes_a_run: f64) {
    let bytes = std::fs::read(sample(DOCUMENT)).unwrap();
    let document = pipeline::document::extract(DOCUMENT, &bytes).unwrap();
    let document = compressed(&serde_json::to_vec(&document).unwrap());
    let folder = env.run_folder("run-0");
    let records: usize =
        STAGE_FILES[..3].iter().map(|file| compressed(&std::fs::read(folder.join(file)).unwrap())).sum();
    let request = std::fs::read(folder.join("run.json")).unwrap();
    let request: serde_json::Value = serde_json::from_slice(&request).unwrap();
    let request = request["request"].to_string().len();
    let rest = bytes_a_run - (document + records + request) as f64;
    for (part, bytes) in [
        ("… its document, compressed", document as f64),
        ("… the records of three stages, compressed", records as f64),
        ("… its request", request as f64),
        ("… its task, its open call, its lease, the allocator", rest),
    ] {
        row(part, &format!("{:.1} KB", bytes / 1024.0), "");
    }
}

#[tokio::main]
async fn main() {
    let runs = from_environment("IN_FLIGHT", 10_000);
    let latency = Duration::from_secs(from_environment("MODEL_SECONDS", 30) as u64);
    let is_http2 = from_environment("MODEL_HTTP2", 1) > 0;
    let behind = if is_http2 { Duration::ZERO } else { latency };
    let mut env = TestEnv::with_model(Options { latency: behind, ..Options::default() }).await;
    env.model.forget();
    env.postgres = Some(Postgres::start());
    env.migrate();
    harness::machine();
    let limit = runs.to_string();
    let front = is_http2.then(|| Front::start(&env.model.base_url(), &env.blob.authority, Speaks::Http2));
    if let Some(front) = &front {
        front.delay(latency);
    }
    let endpoint = front.as_ref().map_or_else(|| env.model.base_url(), Front::base_url);
    let settings = [
        ("MAX_CONCURRENT_RUNS", limit.as_str()),
        ("MAX_QUEUED_RUNS", "100000"),
        ("LOG_LEVEL", "warn"),
        ("ANSWER_CACHE", "on"),
        ("OPENROUTER_BASE_URL", endpoint.as_str()),
    ];
    let service = env.serve(&settings).await;
    let idle_kib = service.memory_kib();
    println!("idle: {:.1} MB", idle_kib as f64 / 1024.0);

    let began = Instant::now();
    let cpu = cpu_time(service.id());
    let posting = async {
        for number in 0..runs {
            let due = began + Duration::from_secs_f64(number as f64 / POSTS_PER_SECOND as f64);
            tokio::time::sleep_until(due.into()).await;
            let mut request = env.request(&format!("run-{number}"));
            request["blob_url"] = env.blob.distinct_url(number as u64, &format!("sample/{DOCUMENT}")).into();
            service.submit(&request).await;
        }
        row("all posted after", &format!("{:.1} s", began.elapsed().as_secs_f64()), "");
    };
    let is_over = tokio_util::sync::CancellationToken::new();
    let ending = async {
        let done = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" <> 'PROCESSING'"#;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if env.value(done).await == runs.to_string() {
                is_over.cancel();
                return;
            }
        }
    };
    let watching = async {
        let (mut health, mut memory_kib_max, mut in_flight_max) = (Vec::new(), 0, 0_usize);
        let mut told = Instant::now();
        while !is_over.is_cancelled() {
            let asked = Instant::now();
            assert_eq!(service.get("/health").await.unwrap().0, 200);
            health.push(asked.elapsed());
            memory_kib_max = memory_kib_max.max(service.memory_kib());
            let calls = front.as_ref().map_or_else(|| env.model.in_flight(), Front::in_flight);
            in_flight_max = in_flight_max.max(calls);
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                let memory = service.memory_kib() as f64 / 1024.0;
                println!("{:5.0} s: {calls} calls in flight, {memory:.0} MB", began.elapsed().as_secs_f64());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        health.sort();
        (health, memory_kib_max, in_flight_max)
    };
    let ((), (), (health, memory_kib_max, in_flight_max)) = tokio::join!(posting, ending, watching);
    let complete =
        env.value(r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'"#).await;
    row("complete", &format!("{complete} of {runs}"), "target: all");
    row("model calls in flight at most", &in_flight_max.to_string(), "");
    let sockets = front.as_ref().map_or_else(|| env.model.connections(), Front::connections);
    row("sockets to the model, opened", &sockets.to_string(), "target < 200");
    row("memory (RSS) at most", &format!("{:.0} MB", memory_kib_max as f64 / 1024.0), "target < 350 MB");
    let bytes_a_run = (memory_kib_max - idle_kib) as f64 * 1024.0 / in_flight_max as f64;
    row("memory of a run under way", &format!("{:.1} KB", bytes_a_run / 1024.0), "");
    tell_parts(&env, bytes_a_run);
    row("/health meanwhile, p50", &ms(percentile(&health, 0.5)), "");
    row("/health meanwhile, p99", &ms(percentile(&health, 0.99)), "target < 20 ms");
    row("all over after", &format!("{:.1} s", began.elapsed().as_secs_f64()), "");
    let cpu = (cpu_time(service.id()) - cpu).as_secs_f64() * 1000.0 / runs as f64;
    row("CPU of the service a run", &format!("{cpu:.1} ms"), "");
}
