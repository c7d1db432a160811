//! Measures the cost after an outage: `make bench BENCH=reconcile`.
//!
//! The service accepts and finishes runs by file while PostgreSQL is down, and then PostgreSQL returns. A
//! second measurement shows the idle cost of a hundred thousand finished runs on the disk.

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
    path::Path,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use harness::{cpu_time, row, time_until};
use support::{postgres::Stop, service::TestEnv};

const RUNS: usize = 500;

/// The number of finished runs on the disk, and how long the idle service is observed with them.
const FINISHED: usize = 100_000;
const WATCHED: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    harness::machine();
    let mut env = TestEnv::with_database().await;
    backlog(&mut env).await;
    idle(&env).await;
}

async fn backlog(env: &mut TestEnv) {
    env.postgres().stop(Stop::Immediate);
    {
        let service = env.serve(&[("LOG_LEVEL", "warn")]).await;
        let ends = stream::iter(0..RUNS).map(|number| {
            let (service, env) = (&service, &*env);
            async move {
                let run_id = format!("run-{number}");
                service.submit(&env.request(&run_id)).await;
                assert_eq!(service.ended(&run_id).await["status"], "complete");
            }
        });
        ends.buffer_unordered(32).collect::<Vec<()>>().await;
    }
    env.postgres().start_again();
    let service = env.serve(&[("LOG_LEVEL", "warn")]).await;
    let cpu = cpu_time(service.id());
    let proved = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "syncProof" IS NOT NULL"#;
    let elapsed = time_until(&env.database_url(), proved, &RUNS.to_string()).await;
    let rate = 4.0 * RUNS as f64 / elapsed.as_secs_f64();
    row(&format!("{RUNS} runs brought back and proved in"), &format!("{:.2} s", elapsed.as_secs_f64()), "");
    row("stage outputs a second", &format!("{rate:.0}"), "target ≥ 1,000");
    let cpu = (cpu_time(service.id()) - cpu).as_secs_f64() * 1000.0 / RUNS as f64;
    row("CPU of the service a run", &format!("{cpu:.1} ms"), "");
}

/// Creates folders of finished runs, each with a manifest. A scan of all runs would open them.
fn multiply(outputs: &Path) {
    let manifest = outputs.join("run-0/run.json");
    for number in 0..FINISHED {
        let folder = outputs.join(format!("copy-{number}"));
        std::fs::create_dir(&folder).unwrap();
        // Link many names to the same bytes, up to the limit of the file system.
        let first = outputs.join(format!("copy-{}/run.json", number / 10_000 * 10_000));
        let made = if number % 10_000 == 0 {
            std::fs::copy(&manifest, first).map(drop)
        } else {
            std::fs::hard_link(first, folder.join("run.json"))
        };
        made.unwrap();
    }
    // Otherwise, the measurement would include the flush of all these files.
    assert!(std::process::Command::new("sync").status().unwrap().success());
}

async fn idle(env: &TestEnv) {
    let cpu = async |what: &str| {
        let started = Instant::now();
        let service = env.serve(&[("LOG_LEVEL", "warn")]).await;
        service.wait_for_path("/health", |_, health| health["status"] == "healthy").await;
        row(&format!("start to healthy, {what}"), &harness::ms(started.elapsed()), "target < 150 ms");
        // The service has finished its start by then.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let before = cpu_time(service.id());
        tokio::time::sleep(WATCHED).await;
        let share = (cpu_time(service.id()) - before).as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
        row(&format!("CPU of an idle service, {what}"), &format!("{share:.2} %"), "");
        row(
            &format!("memory of an idle service, {what}"),
            &format!("{:.1} MB", service.memory_kib() as f64 / 1024.0),
            "target < 30 MB",
        );
    };
    cpu(&format!("{RUNS} finished runs")).await;
    multiply(&env.folder.path().join("data/test-outputs"));
    cpu(&format!("{FINISHED} finished runs in files")).await;
}
