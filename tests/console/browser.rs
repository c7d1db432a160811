//! The pages in a real Chromium.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{
    content::{submit, two_runs},
    filled::{Filled, OPERATION_PAGE},
};
use crate::{
    control_plane::{ADMIN_KEY, KEYS},
    support::{
        postgres::Stop,
        root,
        service::{Service, TestEnv, fail_after},
    },
};

/// Every page, by the name of its picture. The forms' answers `key-made` and `rollback-report` come from `console.mjs`.
const PAGES: [(&str, &str); 27] = [
    ("overview", "/console"),
    ("runs", "/console/runs"),
    ("runs-filtered", "/console/runs?status=FAILED&code=LLM_ERROR&cost=0"),
    ("run-complete", "/console/runs/run-1"),
    ("run-failed", "/console/runs/run-2"),
    ("run-under-way", "/console/runs/run-4"),
    ("operations", "/console/operations"),
    ("operation-preview", "/console/operations/preview?action=retry&status=FAILED&error_code=LLM_ERROR"),
    ("operation", OPERATION_PAGE),
    ("flags", "/console/flags"),
    ("flag", "/console/flags/OPERATIONS_PAUSE_CLAIMS"),
    ("flag-percentage", "/console/flags/PERFORMANCE_ANSWER_CACHE"),
    ("rollback", "/console/rollback?to=FILE_ONLY"),
    ("alerts", "/console/alerts"),
    ("deployments", "/console/deployments"),
    ("deployment", "/console/deployments/deploy-43"),
    ("deployment-rollback", "/console/deployments/rollback"),
    ("reconciliation", "/console/reconciliation"),
    ("reconciliation-plan", "/console/reconciliation?plan=yes"),
    ("conflicts", "/console/conflicts"),
    ("conflict", "/console/conflicts/run-3"),
    ("webhooks", "/console/webhooks"),
    ("webhooks-of-a-run", "/console/webhooks?run=run-3"),
    ("keys", "/console/keys"),
    ("audit", "/console/audit"),
    ("audit-filtered", "/console/audit?action=flag"),
    ("error", "/console/runs/no-such-run"),
];

/// Pages that say 503 without the database, because there is nothing to compare or to count, and the page of an error.
const NEED_DATABASE: [&str; 4] = ["operation-preview", "operation", "conflict", "error"];

/// Runs a script in the browser, and does what it asks for in between. Returns what it saw.
pub(super) fn look(script: &str, order: &Value, mut when_asked: impl FnMut(&str)) -> Value {
    let package = root().join("tests/support/browser");
    assert!(package.join("node_modules").exists(), "the browser's driver is missing: run `make setup`");
    let mut command = Command::new("node");
    command.current_dir(package).arg(script).arg(order.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut last = Value::Null;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = serde_json::from_str(&line.unwrap()).unwrap();
        if let Some(asked) = last["ask"].as_str() {
            when_asked(asked);
            stdin.write_all(b"done\n").unwrap();
        }
    }
    assert!(child.wait().unwrap().success());
    last
}

/// The screens: the name in their pictures, the width, and the colours.
const VIEWS: [(&str, u32, &str); 4] = [
    ("light", 1_440, "light"),
    ("phone-dark", 375, "dark"),
    ("dark", 1_440, "dark"),
    ("phone", 375, "light"),
];

/// Screens for `console.mjs`.
fn views(chosen: &[(&str, u32, &str)]) -> Vec<Value> {
    let view =
        |(name, width, scheme): &_| json!({"name": name, "width": width, "scheme": scheme, "acts": true});
    chosen.iter().map(view).collect()
}

/// An order for `console.mjs`: the address and the key, and what a test adds.
fn order(service: &Service, more: &Value) -> Value {
    let mut order = json!({
        "address": format!("http://127.0.0.1:{}", service.port), "key": ADMIN_KEY, "pages": PAGES, "refused": ["error"],
        "need_database": NEED_DATABASE,
    });
    order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    order
}

/// Looks as ordered, and stops the database when the browser asks for it.
fn look_and_stop(env: &mut TestEnv, order: &Value) -> Value {
    tokio::task::block_in_place(|| look("console.mjs", order, |_| env.postgres().stop(Stop::Immediate)))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_serves_every_person() {
    let mut filled = Filled::start().await;
    let mut views = views(&VIEWS[..2]);
    views[1]["acts"] = false.into();
    let order = order(&filled.service, &json!({"views": views, "shares": true}));
    let seen = look_and_stop(&mut filled.env, &order);
    assert_eq!(seen["wrong"], json!([]), "{seen:#}");
    // Both sign in, they share the pages, and one of them sends the two forms.
    assert_eq!(seen["looked"].as_array().unwrap().len(), 2 + PAGES.len() + 2, "{seen:#}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: make test-long"]
async fn every_page_serves_every_screen_and_away() {
    let mut filled = Filled::start().await;
    let order = order(&filled.service, &json!({"views": views(&VIEWS), "away": true}));
    let seen = look_and_stop(&mut filled.env, &order);
    assert_eq!(seen["wrong"], json!([]), "{seen:#}");
    let away = PAGES.len() - NEED_DATABASE.len();
    assert_eq!(seen["looked"].as_array().unwrap().len(), 4 * (1 + PAGES.len() + 2 + away), "{seen:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_forms_are_enough_for_a_person() {
    let mut env = TestEnv::with_database().await;
    let service = two_runs(&env, &[]).await;
    let pages =
        json!([["overview", "/console"], ["runs", "/console/runs"], ["run-failed", "/console/runs/run-2"]]);
    let more =
        json!({"views": views(&VIEWS[..2]), "pages": pages, "shares": true, "run": "run-1", "away": true});
    let mut order = order(&service, &more);
    for view in order["views"].as_array_mut().unwrap() {
        view["acts"] = false.into();
    }
    let seen = look_and_stop(&mut env, &order);
    assert_eq!(seen["wrong"], json!([]), "{seen:#}");
    let facts = json!({
        "first_stop": "skip", "skipped_to": "main", "found_by_id": "Run run-1", "renews": 200, "paused": "true",
        "goes_on": 200, "filtered": "FAILED", "lines_without_script": 1,
    });
    assert_eq!(seen["facts"], facts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_run_is_followed_by_keys() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&KEYS).await;
    fail_after(&env, 1);
    submit(&env, &service, "run-1", "FAILED").await;
    env.model.hold();
    let order =
        json!({"address": format!("http://127.0.0.1:{}", service.port), "key": ADMIN_KEY, "run": "run-1"});
    let (runtime, mut stored) = (tokio::runtime::Handle::current(), 1);
    let seen = tokio::task::block_in_place(|| {
        look("follow.mjs", &order, |_| {
            stored += 1;
            env.model.let_through(1);
            let count = r#"SELECT num_nonnulls("stage1Output", "stage2Output", "stage3Output", "stage4Output")::text FROM "PipelineRun""#;
            runtime.block_on(env.wait_for_value(count, &stored.to_string()));
        })
    });
    assert_eq!(seen["wrong"], json!([]), "{seen:#}");
    let facts = json!({
        "note": "run-retried", "stream": "text/event-stream", "stays": true, "paused": "Paused", "while_paused": 2,
        "stages": 4, "reports": 1, "follows": 0,
    });
    assert_eq!(seen["facts"], facts);
}

/// `make console-pictures`: the pictures of docs/CONSOLE.md.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it writes docs/console"]
async fn pictures_of_every_page() {
    let mut filled = Filled::start().await;
    let mut views = views(&[VIEWS[0], VIEWS[2], VIEWS[3]]);
    views[2]["only"] = json!(["overview", "runs", "runs-filtered", "run-complete", "alerts"]);
    let more = json!({
        "views": views, "away": true, "shots": root().join("docs/console"), "shown_away": ["overview-away", "runs-away"],
    });
    let order = order(&filled.service, &more);
    let seen = look_and_stop(&mut filled.env, &order);
    assert_eq!(seen["wrong"], json!([]), "{seen:#}");
}
