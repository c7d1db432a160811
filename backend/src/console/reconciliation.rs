//! Reconciliation: what differs between database and files, the last pass, a pass now, and its plan.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use pipeline::run::RunId;
use storage::{StorageError, files::DurabilityForecast};

use super::{
    form::Form,
    operations::optional_reason,
    page::{Page, Section, Visit, go_to, html},
    parts::{self, Figure, Markup, Tone, count},
};
use crate::{
    http::{codes, error::Problem},
    reconciliation::{DeskError, NAMED_MAX, Planned, ReconcileLook},
};

#[derive(Template)]
#[template(path = "console/reconciliation.html")]
struct ReconciliationPage {
    page: Page,
    live: Live,
    /// The plan of a pass, if somebody asked for it.
    plan: Option<Result<Vec<Planned>, String>>,
}

/// The part that is refreshed.
#[derive(Template)]
#[template(path = "console/reconciliation_live.html")]
struct Live {
    figures: Vec<Markup>,
    marked: Result<Vec<RunId>, String>,
    conflicts: Result<Vec<RunId>, String>,
    /// Why there is nothing to show.
    problem: Option<String>,
}

impl Live {
    async fn of(visit: &Visit) -> Self {
        // The overview asks the same: only health knows whether this disk ends with its container.
        let lost = visit.state.health.durability_forecast_now();
        let (look, lost) = tokio::join!(visit.state.reconciliation.look(), lost);
        match look {
            Ok(look) => Self {
                figures: figures(&look, &lost, visit),
                marked: look.marked,
                conflicts: look.conflicts,
                problem: None,
            },
            Err(error) => Self {
                figures: Vec::new(),
                marked: Ok(Vec::new()),
                conflicts: Ok(Vec::new()),
                problem: Some(error.to_string()),
            },
        }
    }
}

/// The loss of a redeploy, or the reason why it is unknown.
type Lost = Result<DurabilityForecast, StorageError>;

fn figures(look: &ReconcileLook, lost: &Lost, visit: &Visit) -> Vec<Markup> {
    let (status, now) = (&look.status, visit.now());
    let ago = |at: Option<pipeline::clock::Timestamp>| {
        at.map_or_else(|| "not since the start".to_owned(), |at| parts::ago(at, now))
    };
    let marked = look.marked.as_ref().map_or_else(|_| parts::UNKNOWN.to_owned(), |runs| count(runs.len()));
    let bad = |number: usize, figure: Figure| if number > 0 { figure.marked(Tone::Bad) } else { figure };
    let unsynced = Figure::new("Runs to sync", marked, "the database lacks something of them");
    let unsynced = match &look.marked {
        Ok(runs) if runs.is_empty() => unsynced.marked(Tone::Good),
        _ => unsynced.marked(Tone::Warn),
    };
    // A conflict stays when the pass that found it is no longer the last one.
    let in_conflict = look.conflicts.as_ref().map_or(status.conflicts, Vec::len);
    let more = if in_conflict == NAMED_MAX { "+" } else { "" };
    let conflicts =
        Figure::new("Conflicts", format!("{}{more}", count(in_conflict)), "both versions are kept");
    let failed = Figure::new("Failed", count(status.failed), "at their last attempt");
    let missing =
        Figure::new("Missing rows", count(status.missing_rows), "innovation reconcile --restore-rows");
    let speed = status.stages_per_second.map_or_else(String::new, |speed| format!("{speed} stages a second"));
    let proved = Figure::new("Proved", count(status.proved), "by the last pass with work");
    vec![
        unsynced.html(),
        bad(in_conflict, conflicts).html(),
        bad(status.failed, failed).html(),
        bad(status.missing_rows, missing).html(),
        proved.html(),
        Figure::new("Stages written", count(status.stages_written), speed).html(),
        Figure::new("Last pass", ago(status.last_pass_at), "over the marked runs").html(),
        Figure::new("Last proof", ago(status.last_proof_at), "row and files hold the same").html(),
        forecast(lost).html(),
    ]
}

fn forecast(lost: &Lost) -> Figure {
    let name = "A redeploy would lose";
    match lost {
        Ok(lost) if lost.runs() > 0 => {
            let more = if lost.is_exact { "" } else { "+" };
            let runs = format!("{}{more} runs", count(lost.runs()));
            Figure::new(name, runs, "they are on this disk alone").marked(Tone::Bad)
        }
        Ok(lost) if lost.is_exact => Figure::new(name, "nothing", "").marked(Tone::Good),
        Ok(_) => {
            let note = "too many runs to look at; those looked at are safe";
            Figure::new(name, parts::UNKNOWN, note).marked(Tone::Warn)
        }
        Err(error) => Figure::new(name, parts::UNKNOWN, error.to_string()).marked(Tone::Warn),
    }
}

/// `GET /console/reconciliation`
pub(super) async fn show(visit: Visit) -> Response {
    let plan = if visit.query.says("plan", "yes") {
        Some(visit.state.reconciliation.plan().await.map_err(|error| error.to_string()))
    } else {
        None
    };
    let live = Live::of(&visit).await;
    let page = visit.page(Section::Reconciliation, "Reconciliation");
    html(StatusCode::OK, &ReconciliationPage { page, live, plan })
}

/// `GET /console/reconciliation/live`
pub(super) async fn live(visit: Visit) -> Response {
    html(StatusCode::OK, &Live::of(&visit).await)
}

/// `POST /console/reconciliation`
pub(super) async fn run(visit: Visit, form: Form) -> Result<Response, Problem> {
    let why = optional_reason(&form)?;
    visit.state.reconciliation.run_now(why, &visit.actor).await?;
    Ok(go_to("/console/reconciliation", "pass-asked"))
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match &error {
            DeskError::Refused(_) => Self::new(codes::RUN_CONFLICT, error.to_string()),
            _ => Self::storage_unavailable(error.to_string()),
        }
    }
}
