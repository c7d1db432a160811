//! The deployments as people and programs see them.

use std::time::Duration;

use chrono::{Days, NaiveDate, TimeDelta};
use pipeline::{clock::Timestamp, record::millis};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use storage::{
    control_plane::{Deployment, DeploymentStatus, Verdict},
    optional_millis,
};

use super::{candidates::current, log::Listed};

/// The deployments that the dashboard shows.
const RECENT: usize = 10;

/// The days that it counts.
const DAYS: u64 = 7;

/// One deployment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeploymentView {
    pub id: String,
    pub environment: String,
    pub service: String,
    pub version: String,
    pub commit_sha: String,
    pub triggered_by: Option<String>,
    #[serde(with = "millis")]
    #[schemars(schema_with = "millis::schema")]
    pub started_at: Timestamp,
    /// When it first accepted runs.
    #[serde(with = "optional_millis")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub completed_at: Option<Timestamp>,
    /// When the next one took its place.
    #[serde(with = "optional_millis")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub ended_at: Option<Timestamp>,
    pub status: DeploymentStatus,
    /// From the start to the first accepted run.
    pub duration_seconds: Option<f64>,
    /// None while it is watched.
    pub verdict: Option<Verdict>,
    pub verdict_reason: Option<String>,
    #[serde(with = "optional_millis")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub verdict_at: Option<Timestamp>,
    /// When the fault of a failing deployment was first seen.
    #[serde(with = "optional_millis")]
    #[schemars(schema_with = "optional_millis::schema")]
    pub fault_at: Option<Timestamp>,
    /// From 0 to 1.
    pub health_score: Option<f64>,
    pub error_count: i32,
    pub rollback_reason: Option<String>,
    pub rolled_back_to: Option<String>,
    /// The result of the arbiter's action after a failing verdict.
    pub action: Option<String>,
    /// The storage mode at the last look.
    pub mode: Option<String>,
    pub variables_digest: Option<String>,
    /// The figures at the verdict, and those that they were compared with.
    pub figures: Option<Value>,
    pub baseline: Option<Value>,
}

/// Deployments of one day (UTC).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DayCount {
    /// As 2026-12-02.
    pub day: String,
    pub deployments: usize,
    pub failed: usize,
}

/// Figures over all known deployments.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeploymentMetrics {
    /// Since midnight (UTC).
    pub deployments_today: usize,
    /// In the last 7 days.
    pub deployments_this_week: usize,
    /// The last 7 days, today first.
    pub per_day: Vec<DayCount>,
    /// Of the deployments that are decided, in percent. None without one.
    pub success_rate: Option<f64>,
    /// Seconds from the start to the first accepted run. None without a deployment.
    pub average_duration: Option<f64>,
    /// Minutes from the fault of a failing deployment until a good one served. None without one.
    pub mean_time_to_recover: Option<f64>,
}

/// The dashboard.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Dashboard {
    /// The deployment that serves now.
    pub current: Option<DeploymentView>,
    /// The last ten, the newest first.
    pub recent: Vec<DeploymentView>,
    pub metrics: DeploymentMetrics,
    /// Whether deployments of the database are missing, because it is away.
    pub is_database_missing: bool,
}

impl From<&Deployment> for DeploymentView {
    fn from(known: &Deployment) -> Self {
        let action = known.progress.as_ref().and_then(|progress| progress.get("action"));
        Self {
            id: known.id.clone(),
            environment: known.environment.clone(),
            service: known.service.clone(),
            version: known.version.clone(),
            commit_sha: known.commit_sha.clone(),
            triggered_by: known.triggered_by.clone(),
            started_at: known.started_at,
            completed_at: known.completed_at,
            ended_at: known.ended_at,
            status: known.status,
            duration_seconds: known.completed_at.map(|end| seconds(known.started_at, end)),
            verdict: known.verdict,
            verdict_reason: known.verdict_reason.clone(),
            verdict_at: known.verdict_at,
            fault_at: known.fault_at,
            health_score: known.health_score,
            error_count: known.error_count,
            rollback_reason: known.rollback_reason.clone(),
            rolled_back_to: known.rolled_back_to.clone(),
            action: action.and_then(Value::as_str).map(str::to_owned),
            mode: known.mode.clone(),
            variables_digest: known.variables_digest.clone(),
            figures: known.figures.clone(),
            baseline: known.baseline.clone(),
        }
    }
}

impl Dashboard {
    /// The dashboard of these deployments now.
    #[must_use]
    pub fn of(listed: &Listed, now: Timestamp) -> Self {
        let all = &listed.deployments;
        Self {
            current: current(all).map(DeploymentView::from),
            recent: all.iter().take(RECENT).map(DeploymentView::from).collect(),
            metrics: DeploymentMetrics::of(all, now),
            is_database_missing: listed.database_error.is_some(),
        }
    }
}

impl DeploymentMetrics {
    fn of(all: &[Deployment], now: Timestamp) -> Self {
        let week_ago = now - TimeDelta::days(7);
        let on = |day: NaiveDate| all.iter().filter(move |known| known.started_at.date_naive() == day);
        let days = (0..DAYS).filter_map(|ago| now.date_naive().checked_sub_days(Days::new(ago)));
        let per_day = days.map(|day| DayCount {
            day: day.to_string(),
            deployments: on(day).count(),
            failed: on(day).filter(|known| is_failed(known)).count(),
        });
        let decided = all.iter().filter(|known| known.status != DeploymentStatus::InProgress);
        let good = decided.clone().filter(|known| known.status == DeploymentStatus::Success).count();
        let durations = all.iter().filter_map(|known| Some(seconds(known.started_at, known.completed_at?)));
        let recoveries = all.iter().filter(|known| is_failed(known)).filter_map(|known| recovery(known, all));
        Self {
            deployments_today: on(now.date_naive()).count(),
            deployments_this_week: all.iter().filter(|known| known.started_at >= week_ago).count(),
            per_day: per_day.collect(),
            success_rate: share(good, decided.count()).map(|share| share * 100.0),
            average_duration: mean(durations),
            mean_time_to_recover: mean(recoveries.map(|recovery| recovery.as_secs_f64() / 60.0)),
        }
    }
}

fn is_failed(known: &Deployment) -> bool {
    matches!(known.status, DeploymentStatus::Failed | DeploymentStatus::RolledBack)
}

/// From the fault until the next good deployment served, or until the earlier one served again.
fn recovery(failed: &Deployment, all: &[Deployment]) -> Option<Duration> {
    let fault = failed.fault_at.or(failed.verdict_at).unwrap_or(failed.started_at);
    let later = all.iter().filter(|known| known.started_at > failed.started_at && !is_failed(known));
    let served = later.filter_map(|known| known.completed_at).filter(|at| *at >= fault).min();
    // A deployment that never served did no harm after its end.
    let back = failed.rolled_back_to.as_ref().and(failed.ended_at).filter(|at| *at >= fault);
    let at = match (served, back) {
        (Some(one), Some(other)) => one.min(other),
        (one, other) => one.or(other)?,
    };
    at.signed_duration_since(fault).to_std().ok()
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.signed_duration_since(from).to_std().unwrap_or_default().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "counts of deployments")]
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a count of deployments")]
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(minute: u32) -> String {
        format!("2026-12-02T10:{minute:02}:00Z")
    }

    fn deployment(id: &str, started: u32, changes: &Value) -> Deployment {
        let mut all = json!({
            "id": id, "environment": "production", "service": "s", "version": "1", "commitSha": id, "triggeredBy": null,
            "startedAt": at(started), "completedAt": at(started + 1), "endedAt": null, "status": "success", "healthScore": 1.0,
            "errorCount": 0, "rollbackReason": null, "rolledBackTo": null, "deploymentMetadata": {}, "verdict": "healthy",
            "verdictReason": null, "verdictAt": null, "faultAt": null, "mode": null, "baseline": null, "figures": null,
            "variablesDigest": null, "progress": null,
        });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn a_failure_counts_until_a_good_one_serves() {
        let bad = json!({"status": "rolled_back", "verdict": "failing", "faultAt": at(12), "rolledBackTo": "a", "endedAt": at(16)});
        let deployments = vec![
            deployment("d", 30, &json!({"status": "in_progress", "verdict": null})),
            deployment("c", 14, &json!({})),
            deployment("b", 10, &bad),
            deployment("a", 1, &json!({"endedAt": at(11)})),
        ];
        let listed = Listed { deployments, database_error: None };
        let dashboard = Dashboard::of(&listed, "2026-12-02T11:00:00Z".parse().unwrap());
        let metrics = &dashboard.metrics;
        assert_eq!(dashboard.current.as_ref().unwrap().id, "d");
        assert_eq!((metrics.deployments_today, metrics.per_day.len(), metrics.per_day[0].failed), (4, 7, 1));
        assert_eq!(metrics.mean_time_to_recover, Some(3.0), "from 10:12 until c served at 10:15");
        assert_eq!(metrics.average_duration, Some(60.0));
        let rate = metrics.success_rate.unwrap();
        assert!((rate - 200.0 / 3.0).abs() < 1e-9, "the undecided one does not count: {rate}");
    }

    #[test]
    fn the_last_ten_are_shown_and_the_week_is_counted() {
        let last_month = json!({"startedAt": "2026-11-02T10:00:00Z", "completedAt": "2026-11-02T10:01:00Z"});
        let mut deployments: Vec<_> =
            (0..11).rev().map(|n| deployment(&format!("d-{n}"), n * 5, &json!({}))).collect();
        deployments.push(deployment("old", 0, &last_month));
        let listed = Listed { deployments, database_error: None };
        let dashboard = Dashboard::of(&listed, "2026-12-02T11:00:00Z".parse().unwrap());
        let shown: Vec<_> = dashboard.recent.iter().map(|view| view.id.as_str()).collect();
        assert_eq!((shown.len(), shown.first(), shown.last()), (10, Some(&"d-10"), Some(&"d-1")));
        assert_eq!(dashboard.metrics.deployments_this_week, 11);
    }
}
