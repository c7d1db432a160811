//! The page of one run.

use askama::Template;
use axum::{
    extract::{Path, rejection::PathRejection},
    http::StatusCode,
    response::Response,
};
use pipeline::{
    failure::FailureCode,
    report::ReportQuote,
    run::{RunId, RunStatus},
    visible_text::visible,
};

use super::{
    actions::run_of,
    stages::{StageLine, chart, lines},
};
use crate::{
    console::{
        page::{Page, Section, Visit, html},
        parts::{
            Markup, Tone, UNKNOWN, badge, clock_time, dollars, escaped, percent, places, run_status, span,
            time,
        },
    },
    health::Durability,
    http::error::Problem,
    runs::{RunView, quotes_of},
};

/// The page shows that many quotes; the report has all.
const QUOTES_MAX: usize = 200;

#[derive(Template)]
#[template(path = "console/run.html")]
struct Run {
    page: Page,
    id: RunId,
    live: Live,
    /// Whether the run goes on, so that the page follows it.
    is_running: bool,
    has_report: bool,
    has_document: bool,
    may_cancel: bool,
    /// The work and the cost of a retry, if the person may retry.
    retry: Option<String>,
    may_delete: bool,
    quotes: Vec<Quote>,
    more_quotes: usize,
}

/// The part that is refreshed while the run goes on.
#[derive(Template)]
#[template(path = "console/run_live.html")]
struct Live {
    facts: Vec<(&'static str, Markup)>,
    failure: Option<Failure>,
    waiting: Option<String>,
    chart: Option<Markup>,
    stages: Vec<StageLine>,
    at: String,
}

struct Failure {
    code: &'static str,
    message: String,
    advice: &'static str,
}

struct Quote {
    label: String,
    text: String,
    place: String,
    state: Markup,
}

/// `GET /console/runs/{run_id}`
pub(in crate::console) async fn show(
    visit: Visit,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = run_of(path)?;
    let view = visit.state.runs.view_with_document(&id, &visit.scope()).await?;
    let page = visit.page(Section::Runs, format!("Run {id}"));
    let has_ended = view.status != RunStatus::Processing;
    let is_retryable =
        matches!(view.status, RunStatus::Failed | RunStatus::Cancelled) && view.document_name.is_some();
    let retry = if page.may_control && is_retryable { Some(retry(&visit, &view).await) } else { None };
    let mut quotes: Vec<Quote> = quotes_of(&view).unwrap_or_default().into_iter().map(quote).collect();
    let more_quotes = quotes.len().saturating_sub(QUOTES_MAX);
    quotes.truncate(QUOTES_MAX);
    let run = Run {
        is_running: !has_ended,
        has_report: view.report.is_some(),
        has_document: view.kept_until.is_some(),
        may_cancel: page.may_control && !has_ended,
        retry,
        may_delete: page.may_control && has_ended,
        live: live_part(&visit, &view),
        quotes,
        more_quotes,
        page,
        id,
    };
    Ok(html(StatusCode::OK, &run))
}

/// `GET /console/runs/{run_id}/live`: the part of the page that is refreshed.
pub(in crate::console) async fn live(
    visit: Visit,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let view = visit.state.runs.view_with_document(&run_of(path)?, &visit.scope()).await?;
    Ok(html(StatusCode::OK, &live_part(&visit, &view)))
}

async fn retry(visit: &Visit, view: &RunView) -> String {
    let cost = visit.state.finder.retry_cost(view).await;
    let stages = match cost.stages_left {
        0 => "All stages are stored; only the report is made anew.".to_owned(),
        1 => "1 stage is not stored and will be asked for.".to_owned(),
        left => format!("{left} stages are not stored and will be asked for."),
    };
    let usd = match (cost.usd, cost.of_runs) {
        _ if cost.stages_left == 0 => "It costs nothing.".to_owned(),
        (Some(usd), 0) => format!("It will cost about {}, by the stages of this run.", dollars(usd)),
        (Some(usd), 1) => format!("It will cost about {}, by the one complete run.", dollars(usd)),
        (Some(usd), runs) => {
            format!("It will cost about {}, by the mean of {runs} complete runs.", dollars(usd))
        }
        (None, _) => "Nothing tells yet what it will cost.".to_owned(),
    };
    format!("{stages} {usd}")
}

fn live_part(visit: &Visit, view: &RunView) -> Live {
    let now = visit.now();
    Live {
        facts: facts(visit, view),
        failure: view.error.as_ref().map(|failure| Failure {
            code: failure.code.as_str(),
            message: visible(&failure.message).into_owned(),
            advice: advice(failure.code, failure.can_retry),
        }),
        waiting: view.waiting.map(|waiting| {
            let until = waiting.until.map(|until| format!(", and is tried again at {}", clock_time(until)));
            format!(
                "It waits because of {} since {}{}.",
                waiting.reason.as_str(),
                clock_time(waiting.since),
                until.unwrap_or_default()
            )
        }),
        chart: chart(view, now),
        stages: lines(view),
        at: clock_time(now),
    }
}

fn advice(code: FailureCode, can_retry: bool) -> &'static str {
    match (code, can_retry) {
        (FailureCode::Cancelled, _) => "A person or the frontend cancelled it.",
        (_, true) => "A retry may succeed.",
        (_, false) => "A retry of the same request will end in the same way.",
    }
}

fn facts(visit: &Visit, view: &RunView) -> Vec<(&'static str, Markup)> {
    let now = visit.now();
    let text = |text: &str| Markup::of(escaped(text));
    let known = |at: Option<pipeline::clock::Timestamp>| at.map_or_else(|| text(UNKNOWN), |at| time(at, now));
    let brand = match (&view.brand_name, &view.brand_id) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (None, Some(id)) => id.to_string(),
        _ => UNKNOWN.to_owned(),
    };
    let took =
        view.accepted_at.map(|begun| span((view.finished_at.unwrap_or(now) - begun).num_milliseconds()));
    let durability = if view.stored_in.database {
        badge(Tone::Good, "durable")
    } else if visit.state.health.file_storage().durability() == Durability::Durable {
        badge(Tone::Good, "durable files")
    } else {
        badge(Tone::Warn, "only on this container's disk")
    };
    vec![
        ("Status", run_status(view.status, view.waiting.is_some())),
        ("Company", text(&brand)),
        ("Document", text(view.document_name.as_deref().unwrap_or(UNKNOWN))),
        ("Accepted", known(view.accepted_at)),
        ("Ended", known(view.finished_at)),
        ("Took", text(&took.unwrap_or_else(|| UNKNOWN.to_owned()))),
        ("Cost", text(&dollars(view.cost_usd))),
        ("Grounding", text(&view.grounding.map_or_else(|| UNKNOWN.to_owned(), percent))),
        ("Stored in", text(places(view.stored_in))),
        ("Durability", durability),
        ("Owner", text(&view.principal.to_string())),
        ("Generation", text(&view.generation.to_string())),
        ("Document kept until", known(view.kept_until)),
    ]
}

fn quote(quote: ReportQuote) -> Quote {
    let state = match &quote.note {
        None => badge(Tone::Good, "found"),
        Some(note) => badge(Tone::Warn, note),
    };
    Quote {
        text: visible(&quote.quote).into_owned(),
        place: visible(&quote.place).into_owned(),
        label: quote.label,
        state,
    }
}
