//! `observability/` against the running service and Prometheus' own tool, and the documented metrics against the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use backend::telemetry::names;
use serde_json::Value;

use crate::support::{
    openrouter::Options, postgres::Postgres, receiver::Receiver, root, script, service::TestEnv,
};

/// The metrics that Prometheus itself makes.
const OF_PROMETHEUS: [&str; 1] = ["up"];
const SUFFIXES: [&str; 5] = ["_total", "_bucket", "_count", "_sum", "_info"];

fn observability() -> PathBuf {
    root().join("observability")
}

/// Words that may be names of metrics: they hold an underscore and are followed by no bracket of a call.
fn words(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_metric = |word: &&str| {
        ["innovation_", "http_server_", "db_client_", "gen_ai_client_"]
            .iter()
            .any(|start| word.starts_with(start))
            || OF_PROMETHEUS.contains(word)
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

fn base(name: &str) -> &str {
    SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// The metrics in the expressions of the rules.
fn in_rules() -> BTreeSet<String> {
    let text = std::fs::read_to_string(observability().join("alerts.yml")).unwrap();
    let without_notes = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    without_notes.flat_map(words).collect()
}

/// The metrics in the expressions of the dashboard.
fn in_dashboard() -> BTreeSet<String> {
    fn expressions(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| expressions(member, found));
            }
            Value::Array(all) => all.iter().for_each(|one| expressions(one, found)),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(observability().join("dashboard.json")).unwrap();
    let mut found = Vec::new();
    expressions(&serde_json::from_str(&text).unwrap(), &mut found);
    assert!(found.len() > 20, "the dashboard has no panels");
    found.iter().flat_map(|expression| words(expression)).collect()
}

#[tokio::test]
async fn the_service_exports_every_metric_of_rules_and_dashboard() {
    let mut env = TestEnv::with_model(Options::default()).await;
    env.postgres = Some(Postgres::start());
    env.migrate_unaudited().await;
    let receiver = Receiver::start().await;
    let url = receiver.url();
    // On Railway's own disk, so that the service forecasts what a redeploy loses.
    let service = env.serve(&[("FRONTEND_WEBHOOK_URL", url.as_str())]).await;
    service.submit(&env.request("run-1")).await;
    service.ended("run-1").await;
    receiver.wait_for_ends("run-1", &["complete"]).await;
    service.send("GET", "/status/run-1", &Value::Null, &[("authorization", "Bearer a-wrong-key")]).await;
    let (_, text) = service.get("/metrics").await.unwrap();
    let text = text.as_str().unwrap();
    let exported: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    for (place, named) in [("rules", in_rules()), ("dashboard", in_dashboard())] {
        assert!(named.len() > 15, "{place}: {named:?}");
        let missing: Vec<&String> = named.iter().filter(|name| !exported.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "{place}: {missing:?}\n{text}");
    }
    let known: BTreeSet<&str> = names::ALL.iter().map(|metric| metric.name).collect();
    for name in exported {
        assert!(known.contains(base(name)) || known.contains(name), "{name} does not stand in names.rs");
    }
}

/// `promtool`, of the system or of `scripts/setup.sh`.
fn promtool() -> Command {
    let own = root().join("target/promtool/promtool");
    let mut command = if own.exists() { script(&own) } else { script(Path::new("promtool")) };
    command.current_dir(observability());
    command
}

#[test]
fn the_rules_fire_and_resolve() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let output = promtool().args(arguments).output().expect("promtool; scripts/setup.sh installs it");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {printed}{}", crate::support::stderr(&output));
    }
}

/// How often the tests of the rules expect an alert to fire, and not to fire.
#[derive(Debug, Default)]
struct Expected {
    firing: usize,
    absent: usize,
}

/// The expectations for each alert. The file has a key a line, and the alert's name before what is expected of it.
fn expectations() -> BTreeMap<String, Expected> {
    let text = std::fs::read_to_string(observability().join("alerts.test.yml")).unwrap();
    let mut all: BTreeMap<String, Expected> = BTreeMap::new();
    let mut alert: Option<&str> = None;
    for line in text.lines().map(|line| line.trim().trim_start_matches("- ")) {
        if let Some(name) = line.strip_prefix("alertname:") {
            alert = Some(name.trim());
        } else if let Some(alerts) = line.strip_prefix("exp_alerts:") {
            let name = alert.take().expect("`alertname` stands before `exp_alerts`");
            let expected = all.entry(name.to_owned()).or_default();
            if alerts.trim() == "[]" {
                expected.absent += 1;
            } else {
                expected.firing += 1;
            }
        }
    }
    all
}

#[test]
fn every_alert_is_seen_quiet_firing_and_resolved() {
    let rules = std::fs::read_to_string(observability().join("alerts.yml")).unwrap();
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert:")).map(str::trim).collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    let expectations = expectations();
    // Of a name that no rule has, `promtool` finds no alert and is content.
    let tested: BTreeSet<&str> = expectations.keys().map(String::as_str).collect();
    assert_eq!(tested, alerts);
    for (alert, Expected { firing, absent }) in &expectations {
        assert!(*firing >= 1 && *absent >= 2, "{alert}: fires {firing} times, is absent {absent} times");
    }
}

#[test]
fn the_page_of_metrics_lists_exactly_the_names() {
    let text = std::fs::read_to_string(root().join("docs/TELEMETRY.md")).unwrap();
    let listed: BTreeSet<(String, String, String)> = text
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let name = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
            let kind =
                cells.get(2).filter(|kind| ["counter", "gauge", "histogram", "info"].contains(kind))?;
            let labels = cells.get(3)?.replace(['`', '–'], "");
            Some((name.to_owned(), (*kind).to_owned(), labels))
        })
        .collect();
    let known: BTreeSet<(String, String, String)> = names::ALL
        .iter()
        .map(|metric| (metric.name.to_owned(), metric.kind.as_str().to_owned(), metric.labels.join(", ")))
        .collect();
    let missing: Vec<_> = known.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}, unknown: {unknown:?}");
}
