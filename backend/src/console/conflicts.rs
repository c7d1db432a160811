//! Conflicts: both versions side by side, and the choice between them.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use pipeline::run::RunId;
use storage::{
    RunRecord,
    sync::{ReconcileOutcome, resolve::Keep},
};

use super::{
    form::Form,
    operations::reason,
    page::{Page, Section, Visit, go_to, html},
    parts,
};
use crate::{
    http::{
        codes,
        error::{FieldProblem, Problem},
    },
    reconciliation::PartDifference,
};

#[derive(Template)]
#[template(path = "console/conflicts.html")]
struct Conflicts {
    page: Page,
    runs: Result<Vec<RunId>, String>,
}

#[derive(Template)]
#[template(path = "console/conflict.html")]
struct Conflict {
    page: Page,
    run: RunId,
    /// Facts of both sides: name, database, files.
    facts: Vec<(&'static str, String, String)>,
    parts: Vec<PartDifference>,
    has_both: bool,
}

/// `GET /console/conflicts`
pub(super) async fn show(visit: Visit) -> Response {
    let runs = match visit.state.reconciliation.look().await {
        Ok(look) => look.conflicts,
        Err(error) => Err(error.to_string()),
    };
    html(StatusCode::OK, &Conflicts { page: visit.page(Section::Conflicts, "Conflicts"), runs })
}

fn run_of(id: &str) -> Result<RunId, Problem> {
    RunId::parse(id).map_err(|_| Problem::new(codes::RUN_NOT_FOUND, "there is no run with this id"))
}

/// `GET /console/conflicts/{run_id}`
pub(super) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let run = run_of(&id)?;
    let view = visit.state.reconciliation.versions(&run).await?;
    let fact = |name, of: &dyn Fn(&RunRecord) -> String| {
        let side = |record: &Option<RunRecord>| {
            record.as_ref().map_or_else(|| "does not have the run".to_owned(), of)
        };
        (name, side(&view.row), side(&view.file))
    };
    let facts = vec![
        fact("status", &|record| {
            serde_json::to_value(record.status)
                .ok()
                .and_then(|word| word.as_str().map(str::to_owned))
                .unwrap_or_default()
        }),
        fact("generation", &|record| record.generation.to_string()),
        fact("ended", &|record| {
            record.finished_at.map_or_else(
                || parts::UNKNOWN.to_owned(),
                |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            )
        }),
        fact("stages", &|record| format!("{} of 4", record.stages.len())),
        fact("report", &|record| match &record.report {
            Some(report) => format!("{} characters", parts::count(report.chars().count())),
            None => parts::UNKNOWN.to_owned(),
        }),
    ];
    let page = Conflict {
        page: visit.page(Section::Conflicts, format!("Both versions of {run}")),
        has_both: view.row.is_some() && view.file.is_some(),
        run,
        facts,
        parts: view.parts,
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /console/conflicts/{run_id}`
pub(super) async fn resolve(visit: Visit, Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let run = run_of(&id)?;
    let keep = match form.text("keep") {
        Some("database") => Keep::Database,
        Some("files") => Keep::Files,
        _ => {
            let detail = "choose the version that stands".to_owned();
            return Err(Problem::fields(vec![FieldProblem { field: "keep", detail }]));
        }
    };
    let (desk, why, actor, chosen) =
        (visit.state.reconciliation.clone(), reason(&form)?, visit.actor.clone(), run.clone());
    // A person who leaves the page must not stop it half way.
    let settled = tokio::spawn(async move { Box::pin(desk.resolve(&chosen, keep, why, &actor)).await });
    let outcome = settled.await.map_err(|_| Problem::internal())??;
    let note =
        if matches!(outcome, ReconcileOutcome::Proved { .. }) { "conflict-settled" } else { "conflict-open" };
    Ok(go_to(&format!("/console/conflicts/{run}"), note))
}
