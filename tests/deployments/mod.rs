//! Deployments: recorded, judged, taken back. Each with the real binary and a real PostgreSQL; the times of a watch are seconds.

mod judged;
mod recorded;
mod rolled_back;

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{
    innovation,
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

/// A watch that a test can wait for.
pub(crate) const SHORT_WATCH: [(&str, &str); 4] = [
    ("ARBITER_CHECK_SECONDS", "1"),
    ("ARBITER_WATCH_SECONDS", "4"),
    ("ARBITER_SUSTAINED_SECONDS", "60"),
    ("ARBITER_REQUESTS_MIN", "20"),
];

const SECRET: (&str, &str) = ("ADMIN_SECRET", "0123456789abcdef-of-the-test");

/// `innovation deploy …` beside the service.
async fn deploy(env: &TestEnv, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = innovation(&[&["deploy"], arguments].concat());
    command.env("APP_BASE_DIR", env.folder.path()).env("DATABASE_URL", env.database_url());
    command.envs(environment.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// A deployment of the past, as its row.
pub(crate) async fn past(env: &TestEnv, id: &str, hours_ago: u32, changes: Value) {
    let mut row = json!({
        "id": id, "environment": "development", "service": "innovation", "version": "0.0.1", "commitSha": format!("commit-of-{id}"),
        "status": "success", "verdict": "healthy", "mode": "DUAL_WRITE", "errorCount": 0, "deploymentMetadata": {"variables": {}},
        "figures": {"requests": 1000, "p95_ms": 5.0, "error_share": 0.0},
    });
    row.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let sql = format!(
        r#"INSERT INTO "innovation"."Deployment"
           SELECT * FROM jsonb_populate_record(NULL::"innovation"."Deployment", '{row}'::jsonb || jsonb_build_object(
             'startedAt', now() - interval '{hours_ago} hours',
             'completedAt', now() - interval '{hours_ago} hours' + interval '20 seconds',
             'endedAt', now() - interval '{hours_ago} hours' + interval '1 hour'))"#
    );
    env.query(&sql).await;
}

/// Waits for the verdict of a deployment, and returns the deployment.
async fn verdict(service: &Service, id: &str, verdict: &str) -> Value {
    service
        .wait_for_path(&format!("/api/admin/deployments/{id}"), |status, body| {
            status == 200 && body["verdict"] == verdict
        })
        .await
}

/// Asks for a path so many times at once.
async fn ask(service: &Service, path: &str, times: usize) {
    let asked = (0..times).map(|_| service.call("GET", path));
    futures_util::future::join_all(asked).await;
}

/// Waits until a deployment has started its watch.
async fn is_watched(service: &Service, id: &str) {
    eventually("the deployment is recorded", async || {
        let found = service.call("GET", &format!("/api/admin/deployments/{id}")).await;
        wanted(found.body, |body| body["completed_at"].is_string())
    })
    .await;
}
