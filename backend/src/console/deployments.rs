//! Deployments: the current one, the last ones, their verdicts, old and new side by side, and the rollback with its checks.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use pipeline::clock::Timestamp;
use serde_json::Value;
use storage::control_plane::{DeploymentStatus, Verdict};

use super::{
    form::Form,
    operations::reason,
    page::{Page, Section, Visit, go_to, html},
    parts::{self, Figure, Markup, Tone, badge},
};
use crate::{
    deployments::{Dashboard, DeploymentRollbackPlan, DeploymentView, RunGroup},
    http::{codes, error::Problem},
};

#[derive(Template)]
#[template(path = "console/deployments.html")]
struct Deployments {
    page: Page,
    figures: Vec<Markup>,
    is_database_missing: bool,
    rows: Vec<Row>,
    groups: Vec<Group>,
    is_migration_missing: bool,
}

/// One deployment.
struct Row {
    view: DeploymentView,
    commit: String,
    state: Markup,
    verdict: Markup,
    started: Markup,
    duration: String,
}

/// Runs that have something in common, for the comparison of old and new.
struct Group {
    name: String,
    runs: usize,
    errors: String,
    p50: String,
    p95: String,
    proved: String,
}

#[derive(Template)]
#[template(path = "console/deployment.html")]
struct DeploymentPage {
    page: Page,
    row: Row,
    figures: Vec<(String, String)>,
    baseline: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "console/deployment_rollback.html")]
struct RollbackPage {
    page: Page,
    plan: Result<DeploymentRollbackPlan, String>,
}

fn state(status: DeploymentStatus) -> Markup {
    match status {
        DeploymentStatus::InProgress => badge(Tone::Busy, "being watched"),
        DeploymentStatus::Success => badge(Tone::Good, "success"),
        DeploymentStatus::Failed => badge(Tone::Bad, "failed"),
        DeploymentStatus::RolledBack => badge(Tone::Warn, "rolled back"),
    }
}

fn verdict(verdict: Option<Verdict>) -> Markup {
    match verdict {
        Some(Verdict::Healthy) => badge(Tone::Good, "healthy"),
        Some(Verdict::Failing) => badge(Tone::Bad, "failing"),
        Some(Verdict::Inconclusive) => badge(Tone::Warn, "inconclusive"),
        None => badge(Tone::Quiet, "none yet"),
    }
}

fn seconds(value: Option<f64>) -> String {
    value.map_or_else(|| parts::UNKNOWN.to_owned(), |seconds| format!("{seconds:.1} s"))
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| parts::UNKNOWN.to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn row(view: DeploymentView, now: Timestamp) -> Row {
    Row {
        commit: view.commit_sha.chars().take(8).collect(),
        state: state(view.status),
        verdict: verdict(view.verdict),
        started: parts::time(view.started_at, now),
        duration: seconds(view.duration_seconds),
        view,
    }
}

fn group(name: String, runs: &RunGroup) -> Group {
    Group {
        name,
        runs: runs.runs,
        errors: share(runs.error_share),
        p50: seconds(runs.p50_seconds),
        p95: seconds(runs.p95_seconds),
        proved: share(runs.proof_ratio),
    }
}

fn figures(dashboard: &Dashboard) -> Vec<Markup> {
    let metrics = &dashboard.metrics;
    let current = dashboard.current.as_ref();
    let verdict = current.and_then(|current| current.verdict);
    let word = verdict.map_or(if current.is_some() { "watched" } else { parts::UNKNOWN }, Verdict::as_str);
    let why = current.and_then(|current| current.verdict_reason.clone()).unwrap_or_default();
    let figure = Figure::new("Verdict", word, why);
    let figure = match verdict {
        Some(Verdict::Healthy) => figure.marked(Tone::Good),
        Some(Verdict::Failing) => figure.marked(Tone::Bad),
        Some(Verdict::Inconclusive) => figure.marked(Tone::Warn),
        None => figure,
    };
    let score = current.and_then(|current| current.health_score);
    let number = |value: Option<f64>, unit: &str| {
        value.map_or_else(|| parts::UNKNOWN.to_owned(), |value| format!("{value:.1}{unit}"))
    };
    vec![
        figure.html(),
        Figure::new("Health score", number(score, ""), "of the current deployment, 0 to 1").html(),
        Figure::new(
            "Today",
            metrics.deployments_today.to_string(),
            format!("{} this week", metrics.deployments_this_week),
        )
        .html(),
        Figure::new("Success rate", number(metrics.success_rate, " %"), "of the decided ones").html(),
        Figure::new("Mean duration", number(metrics.average_duration, " s"), "to the first accepted run")
            .html(),
        Figure::new("Time to recover", number(metrics.mean_time_to_recover, " min"), "from the fault, mean")
            .html(),
    ]
}

/// `GET /console/deployments`
pub(super) async fn show(visit: Visit) -> Response {
    let (dashboard, health) =
        tokio::join!(visit.state.deployments.dashboard(), visit.state.deployments.migration_health());
    let mut groups: Vec<Group> =
        health.by_mode.iter().map(|(mode, runs)| group(format!("mode {mode}"), runs)).collect();
    for canary in &health.canaries {
        groups.push(group(format!("{} on ({} %)", canary.flag, canary.share), &canary.new));
        groups.push(group(format!("{} off", canary.flag), &canary.old));
    }
    let now = visit.now();
    let page = Deployments {
        page: visit.page(Section::Deployments, "Deployments"),
        figures: figures(&dashboard),
        is_database_missing: dashboard.is_database_missing,
        rows: dashboard.recent.into_iter().map(|view| row(view, now)).collect(),
        groups,
        is_migration_missing: health.is_database_missing,
    };
    html(StatusCode::OK, &page)
}

/// The leaves of a JSON value, for a table. A figure's name ends in its unit.
fn leaves(value: Option<&Value>) -> Vec<(String, String)> {
    let fields = value.and_then(Value::as_object).into_iter().flatten();
    let leaf = |(name, value): (&String, &Value)| {
        let number = value.as_f64();
        let (name, shown) = match (name.strip_suffix("_ms"), name.strip_suffix("_share"), value) {
            (Some(name), ..) if number.is_some() => (name, format!("{:.0} ms", number.unwrap_or_default())),
            (_, Some(name), _) if number.is_some() => (name, share(number)),
            (.., Value::String(text)) => (name.as_str(), text.clone()),
            (.., Value::Null) => (name.as_str(), parts::UNKNOWN.to_owned()),
            (.., other) => (name.as_str(), other.to_string()),
        };
        (name.replace('_', " "), shown)
    };
    fields.take(60).map(leaf).collect()
}

/// `GET /console/deployments/{deployment_id}`
pub(super) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let unknown = || Problem::new(codes::DEPLOYMENT_NOT_FOUND, "there is no deployment with this id");
    let view = visit.state.deployments.find(&id).await.ok_or_else(unknown)?;
    let page = DeploymentPage {
        page: visit.page(Section::Deployments, format!("Deployment {}", view.id)),
        figures: leaves(view.figures.as_ref()),
        baseline: leaves(view.baseline.as_ref()),
        row: row(view, visit.now()),
    };
    Ok(html(StatusCode::OK, &page))
}

/// `GET /console/deployments/rollback`: what the rollback would do, and what was checked.
pub(super) async fn rollback_plan(visit: Visit) -> Response {
    let plan = visit.state.deployments.rollback.plan(None, visit.query.text("to")).await;
    let page = RollbackPage {
        page: visit.page(Section::Deployments, "Roll back a deployment"),
        plan: plan.map_err(|error| error.to_string()),
    };
    html(StatusCode::OK, &page)
}

/// `POST /console/deployments/rollback`
pub(super) async fn roll_back(visit: Visit, form: Form) -> Result<Response, Problem> {
    let why = reason(&form)?;
    let rollback = &visit.state.deployments.rollback;
    // Everything is checked again: time has passed since the person saw the plan.
    let plan = rollback.plan(None, form.text("to")).await?;
    rollback.start(plan, &why, &visit.actor).await?;
    Ok(go_to("/console/deployments", "rollback-started"))
}

/// An answer in words.
fn answer(value: &Option<bool>) -> Markup {
    match value {
        Some(true) => badge(Tone::Good, "yes"),
        Some(false) => badge(Tone::Bad, "no"),
        None => badge(Tone::Quiet, "not known"),
    }
}
