//! Measures runs per second and CPU time per run, by the number of active runs:
//! `make bench BENCH=throughput`.
//!
//! It uses the real binary in DUAL_WRITE, a real PostgreSQL (without fsync, as in tests), real files, and a
//! model that answers at once. If `REFERENCE_BENCH` names a folder with `reference/run.sh`, that reference
//! service is measured in the same way.

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
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use harness::{Throughput, announce_ends, keep_in_flight};
use serde_json::json;
use support::{ports::free_port, service::TestEnv};

/// The number of active runs, and the number of all runs.
const GRID: [(usize, usize); 4] = [(1, 60), (8, 300), (32, 600), (128, 1_024)];

/// A document of one page, and one of thirteen.
const DOCUMENTS: [(&str, &str); 2] =
    [("one page (PDF)", "fixture/two-column.pdf"), ("thirteen-page report (PDF)", "sample/trend-report.pdf")];

#[tokio::main]
async fn main() {
    let mut env = TestEnv::with_database().await;
    // The model has no other client.
    env.model.forget();
    harness::machine();
    println!("{:<44} {:>10} {:>14} {:>14}", "", "in flight", "runs/s", "CPU ms a run");
    announce_ends(&env.database_url()).await;
    let reference = reference(&mut env).await;
    for (what, path) in DOCUMENTS {
        for (in_flight, runs) in GRID {
            let url = env.blob.url(path);
            {
                let service = env.serve(&[]).await;
                let target = format!("http://127.0.0.1:{}/run", service.port);
                let body = json!({"blob_url": url, "company_id": "decathlon", "user_id": "user_2abc"});
                let measured =
                    measure(&env.database_url(), service.id(), in_flight, runs, &target, &body).await;
                line(&format!("{what}, innovation"), in_flight, measured);
            }
            if let Some(reference) = &reference {
                let body =
                    json!({"blob_url": url.replace("localhost", "127.0.0.1"), "brand_id": "test-brand"});
                let target = format!("http://127.0.0.1:{}/run", reference.port);
                let measured =
                    measure(&reference.database_url, reference.child.id(), in_flight, runs, &target, &body)
                        .await;
                line(&format!("{what}, reference"), in_flight, measured);
            }
        }
    }
}

fn line(what: &str, in_flight: usize, measured: Throughput) {
    let cpu = measured.cpu_per_run.as_secs_f64() * 1000.0;
    println!("{what:<44} {in_flight:>10} {:>14.1} {cpu:>14.1}", measured.runs_per_second);
}

async fn measure(
    database_url: &str,
    process: u32,
    in_flight: usize,
    runs: usize,
    target: &str,
    body: &serde_json::Value,
) -> Throughput {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |run_id: String| {
        let mut body = body.clone();
        body["run_id"] = json!(run_id);
        let request = client.post(target).header("content-type", "application/json").body(body.to_string());
        async move {
            let response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), 202, "{}", response.text().await.unwrap());
        }
    };
    keep_in_flight(database_url, process, in_flight.min(8), 2 * in_flight.min(8), post).await;
    keep_in_flight(database_url, process, in_flight, runs, post).await
}

/// A reference service with a separate database. It is killed when dropped.
struct Reference {
    child: Child,
    port: u16,
    database_url: String,
    _data: tempfile::TempDir,
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn reference(env: &mut TestEnv) -> Option<Reference> {
    // The person who measures names its folder.
    #[allow(clippy::disallowed_methods)]
    let folder = PathBuf::from(std::env::var_os("REFERENCE_BENCH")?).join("reference");
    #[allow(clippy::disallowed_methods)]
    let path = std::env::var("PATH").unwrap();
    let data = tempfile::tempdir().unwrap();
    let database_url = env.postgres().fresh_database().await;
    let port = free_port();
    // It is kept between measurements, because it holds the reference's installation.
    let environment = support::root().join("target/reference-venv");
    let child = Command::new("sh")
        .arg(folder.join("run.sh"))
        .current_dir(&folder)
        .env_clear()
        .env("PATH", path)
        .env("VENV", environment)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PORT", port.to_string())
        .env("DATABASE_URL", &database_url)
        .env("OPENROUTER_API_KEY", "sk-fake_model")
        .env("OPENROUTER_BASE_URL", env.model.base_url())
        .env("SSL_CERT_FILE", env.blob.authority.path())
        .env("ALLOW_LOOPBACK_BLOB", "1")
        // Its README recommends this setting for many open calls.
        .env("LLM_CLIENT", "aiohttp")
        .env("DATA_DIR", data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let reference = Reference { child, port, database_url, _data: data };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let healthy = format!("http://127.0.0.1:{port}/health");
    // The first start installs the dependencies.
    for _ in 0..3_000 {
        if client.get(&healthy).send().await.is_ok() {
            announce_ends(&reference.database_url).await;
            return Some(reference);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the reference does not answer");
}
