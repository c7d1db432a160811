//! The emergency rollback: first what it does, then the step, then who has followed.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use storage::mode::Mode;

use super::{
    form::Form,
    operations::reason,
    page::{Page, Section, Visit, html},
    parts::{self, Markup, Tone, badge},
};
use crate::{
    flags::{ReplicaAnswer, ReplicaForecast, Rollback, RollbackPlan, RollbackReport},
    http::error::{FieldProblem, Problem},
};

#[derive(Template)]
#[template(path = "console/rollback.html")]
struct RollbackPage {
    page: Page,
    mode: &'static str,
    effective: &'static str,
    /// The plan of the chosen mode.
    plan: Option<Plan>,
}

/// A plan, and what it says of each replica.
struct Plan {
    plan: RollbackPlan,
    replicas: Vec<(String, Markup, String)>,
}

impl Plan {
    fn of(plan: RollbackPlan) -> Self {
        let replica = |one: &ReplicaForecast| (one.replica.clone(), accepts(one.accepts), one.detail.clone());
        Self { replicas: plan.replicas.iter().map(replica).collect(), plan }
    }
}

impl RollbackPage {
    fn is_chosen(&self, mode: &str) -> bool {
        self.plan.as_ref().is_some_and(|shown| shown.plan.to == mode)
    }
}

#[derive(Template)]
#[template(path = "console/rollback_report.html")]
struct ReportPage {
    page: Page,
    report: RollbackReport,
    replicas: Vec<(String, Markup, String)>,
}

/// Whether a replica will accept runs, as a badge.
fn accepts(accepts: bool) -> Markup {
    if accepts { badge(Tone::Good, "accepts runs") } else { badge(Tone::Bad, "accepts nothing") }
}

/// Whether a replica has followed, as a badge.
fn followed(acknowledged: bool) -> Markup {
    if acknowledged { badge(Tone::Good, "acknowledged") } else { badge(Tone::Warn, "not yet") }
}

fn mode_of(form: &Form) -> Result<Mode, Problem> {
    form.text("to").and_then(Mode::of_name).ok_or_else(|| {
        let detail = "must be DATABASE_ONLY, DUAL_WRITE or FILE_ONLY".to_owned();
        Problem::fields(vec![FieldProblem { field: "to", detail }])
    })
}

/// `GET /console/rollback`: the preview.
pub(super) async fn show(visit: Visit) -> Result<Response, Problem> {
    let plan = match visit.query.text("to") {
        Some(_) => Some(Plan::of(visit.state.flags.plan(mode_of(&visit.query)?).await)),
        None => None,
    };
    let standing = visit.state.health.standing();
    let page = RollbackPage {
        page: visit.page(Section::Flags, "Emergency rollback"),
        mode: standing.mode.as_str(),
        effective: standing.effective_mode.as_str(),
        plan,
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /console/rollback`: the step.
pub(super) async fn roll_back(visit: Visit, form: Form) -> Result<Response, Problem> {
    let to = mode_of(&form)?;
    let rollback = Rollback { to, reason: reason(&form)?, force: form.says("force", "yes") };
    let plan = visit.state.flags.plan(to).await;
    let report = visit.state.flags.rollback(plan, &rollback, &visit.actor).await?;
    let replica = |one: &ReplicaAnswer| {
        let source = one.source.clone().unwrap_or_else(|| parts::UNKNOWN.to_owned());
        (one.replica.clone(), followed(one.acknowledged), source)
    };
    let title = if report.acknowledged {
        format!("The mode is {}", report.plan.to)
    } else {
        format!("{} is ordered", report.plan.to)
    };
    let page = ReportPage {
        page: visit.page(Section::Flags, title),
        replicas: report.replicas.iter().map(replica).collect(),
        report,
    };
    Ok(html(StatusCode::OK, &page))
}
