//! The pages in a real Chromium.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{ADMIN_KEY, CLIENT_KEY, KEYS};
use crate::support::{
    postgres::Stop,
    root,
    service::{Service, TestEnv, fail_after},
};

/// Every page, by the name of its picture.
const PAGES: [(&str, &str); 19] = [
    ("overview", "/console"),
    ("runs", "/console/runs"),
    ("runs-filtered", "/console/runs?status=FAILED&code=LLM_ERROR&cost=0"),
    ("run-complete", "/console/runs/run-1"),
    ("run-failed", "/console/runs/run-2"),
    ("operations", "/console/operations"),
    ("flags", "/console/flags"),
    ("alerts", "/console/alerts"),
    ("deployments", "/console/deployments"),
    ("reconciliation", "/console/reconciliation"),
    ("conflicts", "/console/conflicts"),
    ("webhooks", "/console/webhooks"),
    ("keys", "/console/keys"),
    ("audit", "/console/audit"),
    ("flag", "/console/flags/OPERATIONS_PAUSE_CLAIMS"),
    ("rollback", "/console/rollback?to=FILE_ONLY"),
    ("reconciliation-plan", "/console/reconciliation?plan=yes"),
    ("operation-preview", "/console/operations/preview?action=retry&status=FAILED&error_code=LLM_ERROR"),
    ("conflict", "/console/conflicts/run-1"),
];

/// Pages that say 503 without the database, because there is nothing to compare or to count.
const NEED_DATABASE: [&str; 2] = ["operation-preview", "conflict"];

/// Runs the browser, and does what it asks for in between.
pub(super) fn look(order: &Value, mut when_asked: impl FnMut()) -> Value {
    let package = root().join("tests/support/browser");
    assert!(package.join("node_modules").exists(), "the browser's driver is missing: run `make setup`");
    let mut command = Command::new("node");
    command.current_dir(package).arg("console.mjs").arg(order.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut last = Value::Null;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = serde_json::from_str(&line.unwrap()).unwrap();
        if last.get("ask").is_some() {
            when_asked();
            stdin.write_all(b"done\n").unwrap();
        }
    }
    assert!(child.wait().unwrap().success());
    last
}

/// A service with one complete run and one that has failed.
async fn service(env: &TestEnv) -> Service {
    let service = env.serve(&KEYS).await;
    let submit = async |id: &str, status: &str| {
        let answer = service.send("POST", "/run", &env.request(id), &[("x-api-key", CLIENT_KEY)]).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        env.wait_for_value(
            &format!(r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = '{id}'"#),
            status,
        )
        .await;
    };
    submit("run-1", "COMPLETED").await;
    fail_after(env, 1);
    submit("run-2", "FAILED").await;
    service
}

fn order(service: &Service, shots: Option<&Path>) -> Value {
    json!({
        "address": format!("http://127.0.0.1:{}", service.port), "key": ADMIN_KEY, "run": "run-1",
        "pages": PAGES, "need_database": NEED_DATABASE, "away": true, "shots": shots,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_serves_every_person() {
    let mut env = TestEnv::with_database().await;
    let service = service(&env).await;
    env.wait_until_synced("run-2").await;
    let order = order(&service, None);
    let seen = tokio::task::block_in_place(|| look(&order, || env.postgres().stop(Stop::Immediate)));
    assert_eq!(seen["wrong"], json!([]), "{seen:#}");
    let facts = json!({
        "first_stop": "skip", "skipped_to": "main", "found_by_id": "Run run-1", "renews": 200, "paused": "true",
        "goes_on": 200, "filtered": "COMPLETED", "lines_without_script": 1,
    });
    assert_eq!(seen["facts"], facts);
}

/// `make console-pictures`: the pictures of docs/CONSOLE.md.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it writes docs/console"]
async fn pictures_of_every_page() {
    let mut env = TestEnv::with_database().await;
    let service = service(&env).await;
    env.wait_until_synced("run-2").await;
    let order = order(&service, Some(&root().join("docs/console")));
    let seen = tokio::task::block_in_place(|| look(&order, || env.postgres().stop(Stop::Immediate)));
    println!("{seen:#}");
}
