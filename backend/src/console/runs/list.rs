//! The list of runs, and the search for one.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use pipeline::{clock::Timestamp, failure::FailureCode, visible_text::visible};
use storage::COUNTED_MAX;

use super::filter::{STATUSES, cursor, filter, searched_id};
use crate::{
    console::{
        page::{Page, Section, Visit, html, with_query},
        parts::{Markup, UNKNOWN, count, dollars, percent, run_status, span, time},
    },
    http::error::Problem,
    runs::{QueryError, Sought, SoughtRun},
};

const PATH: &str = "/console/runs";

#[derive(Template)]
#[template(path = "console/runs.html")]
struct Runs {
    page: Page,
    /// The runs that were searched and are not shown, and why.
    missing: Option<(&'static str, String)>,
    filters: Filters,
    /// How many runs match, in words.
    total: String,
    source: &'static str,
    /// Whether filters were left out that only the database knows.
    is_shallow: bool,
    lines: Lines,
    /// The address of the lines alone, on the first page.
    live_address: Option<String>,
    next: Option<String>,
    newest: Option<String>,
    may_operate_on_all: Option<String>,
}

/// The part that is refreshed.
#[derive(Template)]
#[template(path = "console/runs_lines.html")]
struct Lines {
    lines: Vec<Line>,
    has_next: bool,
}

/// The fields of the form.
struct Filters {
    is_set: bool,
    statuses: Vec<Choice>,
    brands: Vec<Choice>,
    codes: Vec<Choice>,
    model: String,
    cost: String,
    grounding: String,
    from: String,
    to: String,
}

struct Choice {
    value: String,
    word: String,
    is_chosen: bool,
}

struct Line {
    id: String,
    status: Markup,
    code: Option<String>,
    brand: String,
    document: String,
    stages: usize,
    model: String,
    cost: String,
    grounding: String,
    created: Markup,
    took: String,
}

/// `GET /console/runs`
pub(in crate::console) async fn show(visit: Visit) -> Result<Response, Problem> {
    let searched = visit.query.text("q").map(str::to_owned);
    let mut missing = None;
    if let Some(text) = &searched {
        match found(&visit, text).await {
            Ok(address) => return Ok(address),
            Err(why) => missing = Some((why, visible(text).into_owned())),
        }
    }
    let filter = filter(&visit.query)?;
    let sought = visit.state.finder.find(&filter).await.map_err(|error| {
        tracing::warn!(event = "run_list_failed", %error, "runs could not be listed");
        Problem::storage_unavailable("the list of runs cannot be read now; try again")
    })?;
    let now = visit.now();
    let lines = Lines {
        lines: sought.runs.iter().map(|run| line(run, now)).collect(),
        has_next: sought.next.is_some(),
    };
    if visit.query.says("part", "lines") {
        return Ok(html(StatusCode::OK, &lines));
    }
    let next = sought.next.as_ref().map(|next| {
        let after = cursor(next);
        with_query(PATH, &visit.query, &[("after", after.as_str()), ("q", "")])
    });
    let newest = visit.query.text("after").map(|_| with_query(PATH, &visit.query, &[("after", "")]));
    let filters = filters(&visit);
    let page = Page { searched: searched.unwrap_or_default(), ..visit.page(Section::Runs, "Runs") };
    // An operation has no filter by cost or grounding: without them it would take more runs than the list shows.
    let has_operation = filter.cost_min.is_none() && filter.grounding_max.is_none();
    // The list counts the last day whole.
    let before = filter.created_to.map(|end| end.format("%Y-%m-%dT%H:%M").to_string()).unwrap_or_default();
    let changes = [("after", ""), ("q", ""), ("to", ""), ("created_before", before.as_str())];
    let bulk = with_query("/console/operations", &visit.query, &changes);
    let shown = Runs {
        missing,
        total: total(&sought, newest.is_some()),
        source: if sought.stored_in.database { "the database" } else { "files" },
        is_shallow: sought.is_shallow,
        lines,
        live_address: (newest.is_none() && !filter.is_deep())
            .then(|| with_query(PATH, &visit.query, &[("part", "lines"), ("q", "")])),
        next,
        newest,
        may_operate_on_all: (page.may_operate && page.may_control && filters.is_set && has_operation)
            .then_some(bulk),
        filters,
        page,
    };
    Ok(html(StatusCode::OK, &shown))
}

/// Leads to the run that somebody searches, or says in words why not.
async fn found(visit: &Visit, text: &str) -> Result<Response, &'static str> {
    let none = "There is no such run:";
    let run_id = searched_id(text).ok_or(none)?;
    match visit.state.runs.view(&run_id, &visit.scope()).await {
        Ok(_) => {
            let address = HeaderValue::try_from(format!("{PATH}/{run_id}")).map_err(|_| none)?;
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response())
        }
        Err(QueryError::NotFound(_)) => Err(none),
        Err(QueryError::Deleted(_)) => Err("This run has been deleted:"),
        Err(QueryError::NotAlone(..) | QueryError::Unavailable(_)) => {
            Err("No file here names this run, and the database that may have it is away:")
        }
    }
}

fn total(sought: &Sought, is_later_page: bool) -> String {
    match sought.total {
        Some(total) if sought.is_total_exact => runs(total),
        Some(total) if total >= COUNTED_MAX => format!("{}+ runs", count(COUNTED_MAX)),
        Some(total) => format!("at least {} runs", count(total)),
        None if is_later_page || sought.next.is_some() => {
            format!("{} on this page", count(sought.runs.len()))
        }
        None => runs(sought.runs.len()),
    }
}

fn runs(number: usize) -> String {
    if number == 1 { "1 run".to_owned() } else { format!("{} runs", count(number)) }
}

fn line(sought: &SoughtRun, now: Timestamp) -> Line {
    let run = &sought.run;
    let brand = sought.brand_name.clone().or_else(|| run.brand_id.as_ref().map(ToString::to_string));
    let took = run.finished_at.map(|ended| span((ended - run.created_at).num_milliseconds()));
    Line {
        id: run.id.to_string(),
        status: run_status(run.status, false),
        code: run.failure.as_ref().map(|failure| failure.code.as_str().to_owned()),
        brand: brand.map_or_else(|| UNKNOWN.to_owned(), |brand| visible(&brand).into_owned()),
        document: visible(&run.source).into_owned(),
        stages: run.stages,
        model: sought
            .model
            .as_deref()
            .map_or_else(|| UNKNOWN.to_owned(), |model| visible(model).into_owned()),
        cost: sought.cost_usd.map_or_else(|| UNKNOWN.to_owned(), dollars),
        grounding: sought.grounding.map_or_else(|| UNKNOWN.to_owned(), percent),
        created: time(run.created_at, now),
        took: took.unwrap_or_else(|| UNKNOWN.to_owned()),
    }
}

fn filters(visit: &Visit) -> Filters {
    let query = &visit.query;
    let text = |name: &str| query.text(name).unwrap_or_default().to_owned();
    let choice = |field: &str, value: &str, word: &str| Choice {
        is_chosen: query.text(field) == Some(value),
        value: value.to_owned(),
        word: word.to_owned(),
    };
    let names = ["status", "brand", "code", "model", "cost", "grounding", "from", "to"];
    // Without the folder of profiles, the other filters work.
    let brands = visit.state.brands.ids().unwrap_or_default();
    Filters {
        is_set: names.iter().any(|name| query.text(name).is_some()),
        statuses: STATUSES.iter().map(|(value, word, _)| choice("status", value, word)).collect(),
        brands: brands.iter().map(|id| choice("brand", id.as_str(), id.as_str())).collect(),
        codes: CODES.iter().map(|code| choice("code", code.as_str(), code.as_str())).collect(),
        model: text("model"),
        cost: text("cost"),
        grounding: text("grounding"),
        from: text("from"),
        to: text("to"),
    }
}

/// In the order of the documentation of errors.
const CODES: [FailureCode; 22] = [
    FailureCode::DocumentEncrypted,
    FailureCode::DocumentCorrupt,
    FailureCode::DocumentNoText,
    FailureCode::DocumentTooLarge,
    FailureCode::DocumentUnsupported,
    FailureCode::DocumentTimeout,
    FailureCode::DocumentUnavailable,
    FailureCode::BrandNotFound,
    FailureCode::BrandInvalid,
    FailureCode::LlmRateLimit,
    FailureCode::LlmCredits,
    FailureCode::LlmCostLimit,
    FailureCode::LlmAuth,
    FailureCode::LlmTimeout,
    FailureCode::LlmInvalidOutput,
    FailureCode::LlmTruncated,
    FailureCode::LlmRefused,
    FailureCode::LlmError,
    FailureCode::StorageUnavailable,
    FailureCode::Cancelled,
    FailureCode::CrashLoop,
    FailureCode::Internal,
];
