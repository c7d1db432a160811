//! Webhooks: the backlog, the failures, and the two levers: send now, and send again.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use pipeline::run::RunId;
use storage::{Delivery, DeliveryOutcome, StorageError};

use super::{
    form::Form,
    operations::optional_reason,
    page::{Page, Section, Visit, go_to, html},
    parts::{self, Figure, Markup, Tone, badge, count},
};
use crate::{
    http::{codes, error::Problem},
    webhooks::desk::{WebhookDesk, WebhookLook},
};

#[derive(Template)]
#[template(path = "console/webhooks.html")]
struct Webhooks {
    page: Page,
    /// Why there is nothing to show.
    problem: Option<String>,
    figures: Vec<Markup>,
    is_database_missing: bool,
    gave_up: Vec<String>,
    run: String,
    deliveries: Option<Vec<Row>>,
}

/// One event of a run.
struct Row {
    event: String,
    generation: i32,
    state: Markup,
    attempts: i32,
    error: String,
}

fn row(one: &Delivery) -> Row {
    let state = match one.outcome {
        None => badge(Tone::Busy, "pending"),
        Some(DeliveryOutcome::GaveUp) => badge(Tone::Bad, DeliveryOutcome::GaveUp.as_str()),
        Some(DeliveryOutcome::Delivered) => badge(Tone::Good, DeliveryOutcome::Delivered.as_str()),
        Some(other) => badge(Tone::Quiet, other.as_str()),
    };
    Row {
        event: one.event.name().to_owned(),
        generation: one.generation,
        state,
        attempts: one.attempts,
        error: one.last_error.clone().unwrap_or_default(),
    }
}

fn figures(look: &WebhookLook) -> Vec<Markup> {
    let counts = &look.counts;
    let pending = Figure::new("Pending", count(counts.pending), "wait for their time or their receiver");
    let oldest = match counts.pending {
        0 => parts::UNKNOWN.to_owned(),
        _ => parts::span(
            i64::try_from(counts.oldest_pending_seconds.saturating_mul(1_000)).unwrap_or(i64::MAX),
        ),
    };
    let gave_up = Figure::new("Given up", count(counts.gave_up), "after twenty attempts");
    vec![
        if counts.pending == 0 { pending.marked(Tone::Good) } else { pending.marked(Tone::Warn) }.html(),
        Figure::new("Oldest pending", oldest, "since it was queued").html(),
        if counts.gave_up == 0 { gave_up } else { gave_up.marked(Tone::Bad) }.html(),
        Figure::new("Delivered", count(counts.delivered), "since the records begin").html(),
        Figure::new("Refused for good", count(counts.gone), "the receiver answered 410").html(),
    ]
}

/// `GET /console/webhooks`
pub(super) async fn show(visit: Visit) -> Response {
    let mut shown = Webhooks {
        page: visit.page(Section::Webhooks, "Webhooks"),
        problem: None,
        figures: Vec::new(),
        is_database_missing: false,
        gave_up: Vec::new(),
        run: visit.query.text("run").unwrap_or_default().to_owned(),
        deliveries: None,
    };
    let Some(desk) = &visit.state.webhooks else {
        shown.problem = Some("FRONTEND_WEBHOOK_URL is not set, so no webhook is sent.".to_owned());
        return html(StatusCode::OK, &shown);
    };
    match desk.look().await {
        Ok(look) => {
            shown.figures = figures(&look);
            shown.is_database_missing = look.is_database_missing;
            shown.gave_up = look.counts.gave_up_runs;
        }
        Err(error) => shown.problem = Some(format!("The outbox cannot be read now: {error}")),
    }
    if let Ok(run) = RunId::parse(&shown.run) {
        let found = desk.deliveries(&run).await;
        shown.deliveries = found.ok().map(|all| all.iter().map(row).collect());
    }
    html(StatusCode::OK, &shown)
}

fn desk(visit: &Visit) -> Result<&WebhookDesk, Problem> {
    let off = || Problem::new(codes::NO_ROUTE, "FRONTEND_WEBHOOK_URL is not set, so there are no webhooks");
    visit.state.webhooks.as_ref().ok_or_else(off)
}

fn failed(error: &StorageError) -> Problem {
    tracing::warn!(event = "webhook_command_failed", %error, "webhooks could not be hastened or queued again");
    Problem::storage_unavailable("a store that keeps webhooks does not answer now; try again")
}

/// `POST /console/webhooks/send`
pub(super) async fn send(visit: Visit, form: Form) -> Result<Response, Problem> {
    let why = optional_reason(&form)?;
    desk(&visit)?.hasten(why, &visit.actor).await.map_err(|error| failed(&error))?;
    Ok(go_to("/console/webhooks", "webhooks-sent"))
}

/// `POST /console/webhooks/replay`
pub(super) async fn replay(visit: Visit, form: Form) -> Result<Response, Problem> {
    let unknown = || Problem::new(codes::RUN_NOT_FOUND, "there is no run with this id");
    let run = form.text("run").and_then(|id| RunId::parse(id).ok()).ok_or_else(unknown)?;
    let why = optional_reason(&form)?;
    let queued = desk(&visit)?.replay(&run, why, &visit.actor).await.map_err(|error| failed(&error))?;
    queued.ok_or_else(unknown)?;
    Ok(go_to(&format!("/console/webhooks?run={run}"), "webhooks-replayed"))
}
