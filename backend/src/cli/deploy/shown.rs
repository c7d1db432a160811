//! Deployments as people see them on a terminal.

use storage::control_plane::DeploymentStatus;

use crate::deployments::{DeploymentRollbackPlan, DeploymentView, RunGroup};

/// Hex digits of a commit that people read.
const SHORT: usize = 12;

pub(super) fn deployment_line(view: &DeploymentView) -> String {
    let status = match view.status {
        DeploymentStatus::InProgress => "in progress",
        DeploymentStatus::Success => "success",
        DeploymentStatus::Failed => "failed",
        DeploymentStatus::RolledBack => "rolled back",
    };
    let at = view.started_at.format("%Y-%m-%d %H:%M:%S");
    let commit: String = view.commit_sha.chars().take(SHORT).collect();
    let verdict = match (view.verdict, view.completed_at) {
        (Some(verdict), _) => verdict.as_str(),
        (None, Some(_)) => "watched",
        (None, None) => "not healthy yet",
    };
    let reason = view.verdict_reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let action = view.action.as_deref().filter(|action| *action != "observe");
    let action = action.map(|action| format!(" [{action}]")).unwrap_or_default();
    let (id, environment, version) = (&view.id, &view.environment, &view.version);
    format!("{at} {id} {environment} {version} {commit} {status}, {verdict}{reason}{action}")
}

pub(super) fn group_line(name: &str, group: &RunGroup) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let percent = |value: Option<f64>| number(value.map(|value| value * 100.0));
    format!(
        "{name:<40} {:>5} runs, errors {} %, p50 {} s, p95 {} s, proved {} %",
        group.runs,
        percent(group.error_share),
        number(group.p50_seconds),
        number(group.p95_seconds),
        percent(group.proof_ratio)
    )
}

pub(super) fn plan_lines(plan: &DeploymentRollbackPlan) -> Vec<String> {
    let mode = |mode: &Option<String>| mode.clone().unwrap_or_else(|| "unknown".to_owned());
    let word = |known: Option<bool>| match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let variables = if plan.variables.is_empty() { "none".to_owned() } else { plan.variables.join(", ") };
    let mut lines = vec![
        format!(
            "from deployment {} (commit {}, mode {})",
            plan.from,
            plan.from_commit,
            mode(&plan.from_mode)
        ),
        format!("back to deployment {} (commit {}, mode {})", plan.to, plan.to_commit, mode(&plan.to_mode)),
        format!("variables that come back with older values: {variables}"),
        format!(
            "Railway can restore it: {}; within {} h: {}; Railway is stable: {}; rollbacks in a row: {}",
            word(plan.can_rollback),
            plan.retention_hours,
            if plan.is_within_retention { "yes" } else { "no" },
            word(plan.is_platform_stable),
            plan.rollbacks_in_a_row
        ),
    ];
    lines.extend(plan.objections.iter().map(|objection| format!("against it: {objection}")));
    lines
}
