//! Alerts over the real binary: rules that fire and are resolved, channels, replicas, and the database being away.

mod channels;
mod commands;
mod mail;
pub(crate) mod others;
mod replicas;
mod rules;
mod signals;

use std::process::Output;

use serde_json::{Value, json};

use crate::{
    control_plane::{ADMIN_KEY, ask},
    support::{
        innovation,
        service::{Service, TestEnv},
        wait::{eventually, wanted},
    },
};

/// A test waits for a few looks: one a second, no pause before a message, and no time that a figure has to last.
pub(crate) const FAST: [(&str, &str); 5] = [
    ("ALERT_INTERVAL_SECONDS", "1"),
    ("ALERT_RESOLVE_SECONDS", "0"),
    ("ALERT_GROUP_WAIT_SECONDS", "0"),
    ("ALERT_GROUP_INTERVAL_SECONDS", "1"),
    ("ALERT_RULES", "all=/0"),
];

/// The alerts of a replica.
async fn alerts(service: &Service) -> Value {
    ask(service, ADMIN_KEY, "GET", "/api/admin/alerts", None).await.body
}

/// One alert of a listing. Null if it has never fired.
fn of_rule(listing: &Value, rule: &str) -> Value {
    let alerts = listing["alerts"].as_array().cloned().unwrap_or_default();
    alerts.into_iter().find(|alert| alert["rule"] == rule).unwrap_or_default()
}

/// Waits until an alert has a state.
pub(crate) async fn wait_for(service: &Service, rule: &str, state: &str) -> Value {
    eventually(&format!("{rule} is {state}"), async || {
        wanted(of_rule(&alerts(service).await, rule), |alert| alert["state"] == state)
    })
    .await
}

/// Waits for the second look at the rules from now on: it has seen everything that is there now.
async fn wait_for_looks(service: &Service) {
    for _ in 0..2 {
        let before = alerts(service).await["looked_at"].clone();
        eventually("another look", async || {
            wanted(alerts(service).await["looked_at"].clone(), |now| *now != before && !now.is_null())
        })
        .await;
    }
}

/// Sets a flag of the database.
async fn set_flag(service: &Service, key: &str, value: bool) {
    let path = format!("/api/admin/flags/{key}");
    let expected =
        ask(service, ADMIN_KEY, "GET", "/api/admin/flags", None).await.body["database_revision"].clone();
    let change =
        json!({"value": value, "reason": "a test", "expected_revision": expected.as_u64().unwrap_or(0)});
    let changed = ask(service, ADMIN_KEY, "PUT", &path, Some(change)).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
}

/// `innovation alerts …` at a shell of the service.
async fn command(env: &TestEnv, arguments: &[&str], environment: &[(&str, String)]) -> Output {
    let mut command = innovation(&["alerts"]);
    command.args(arguments).env("APP_BASE_DIR", env.folder.path());
    command.env("EXTRA_CA_FILE", env.blob.authority.path());
    if env.postgres.is_some() {
        command.env("DATABASE_URL", env.database_url());
    }
    command.envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Settings of both kinds, for a service.
fn all<'a>(fixed: &[&[(&'a str, &'a str)]], more: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let mut all: Vec<(&str, &str)> = fixed.concat();
    all.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
    all
}
