//! The audit: who changed what, by pages, with filters, and as a file.

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use storage::control_plane::{AuditFilter, AuditRecord};

use super::{
    form::Form,
    page::{Page, Section, Visit, html, with_query},
    parts::{self, Markup},
};
use crate::{
    audit::{Audit, AuditEntry, parse_cursor},
    http::error::{FieldProblem, Problem},
    runs::bulk::parse_time,
};

/// Records of one page.
const PAGE: usize = 50;

/// Records of one page of the file.
const EXPORT_PAGE: usize = 500;

/// The most records of a file. Its last line says where the next file begins.
const EXPORT_MAX: usize = 100_000;

const PATH: &str = "/console/audit";

#[derive(Template)]
#[template(path = "console/audit.html")]
struct AuditPage {
    page: Page,
    query: Form,
    since: String,
    rows: Vec<Row>,
    next: Option<String>,
    export: String,
    /// Why records are missing.
    problems: Vec<&'static str>,
}

/// One change.
struct Row {
    at: Markup,
    record: AuditRecord,
    change: String,
    /// The page of the thing, if it has one.
    link: Option<String>,
}

fn row(record: AuditRecord, visit: &Visit) -> Row {
    let thing = record.action.split('.').next().unwrap_or_default();
    let link = match thing {
        "run" => Some(format!("/console/runs/{}", record.target)),
        "flag" => Some(format!("/console/flags/{}", record.target)),
        "operation" => Some(format!("/console/operations/{}", record.target)),
        _ => None,
    };
    Row { at: parts::time(record.at, visit.now()), change: change(&record), link, record }
}

/// Old and new, as JSON without the braces of people's noise.
fn change(record: &AuditRecord) -> String {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match (&record.old, &record.new) {
        (Some(old), Some(new)) => format!("{} → {}", shown(old), shown(new)),
        (None, Some(new)) => shown(new),
        (Some(old), None) => format!("{} → removed", shown(old)),
        (None, None) => String::new(),
    }
}

fn filter(query: &Form) -> Result<AuditFilter, Problem> {
    let text = |field: &str| query.text(field).map(|text| text.chars().take(200).collect());
    let since = match query.text("since") {
        None => None,
        Some(text) => Some(parse_time(text).ok_or_else(|| {
            let detail = "must be a time in UTC, such as 2026-12-01T09:30".to_owned();
            Problem::fields(vec![FieldProblem { field: "since", detail }])
        })?),
    };
    Ok(AuditFilter { actor: text("actor"), action: text("action"), target: text("target"), since })
}

fn failed(error: &storage::StorageError) -> Problem {
    tracing::warn!(event = "audit_list_failed", %error, "the audit could not be read");
    Problem::storage_unavailable("the audit cannot be read now; try again")
}

/// `GET /console/audit`
pub(super) async fn show(visit: Visit) -> Result<Response, Problem> {
    let filter = filter(&visit.query)?;
    let before = visit.query.text("before").filter(|text| parse_cursor(text).is_some());
    let found =
        visit.state.audit.list_matching(&filter, before, PAGE).await.map_err(|error| failed(&error))?;
    let mut problems = Vec::new();
    if found.database_error.is_some() {
        problems.push("The records of the database are missing: it is away. These wait in the file storage.");
    }
    if found.files_error.is_some() {
        problems.push("The records that wait in the file storage are missing: it does not answer.");
    }
    let page = AuditPage {
        page: visit.page(Section::Audit, "Audit"),
        since: filter.since.map(|at| at.format("%Y-%m-%dT%H:%M").to_string()).unwrap_or_default(),
        rows: found.records.into_iter().map(|record| row(record, &visit)).collect(),
        next: found.next.map(|next| with_query(PATH, &visit.query, &[("before", next.as_str())])),
        export: with_query("/console/audit/export", &visit.query, &[("before", "")]),
        query: visit.query.clone(),
        problems,
    };
    Ok(html(StatusCode::OK, &page))
}

/// The next page of a file.
struct Export {
    audit: Audit,
    filter: AuditFilter,
    before: Option<String>,
    left: usize,
}

impl Export {
    async fn next(mut self) -> Option<(Result<String, storage::StorageError>, Self)> {
        if self.left == 0 {
            return None;
        }
        let limit = self.left.min(EXPORT_PAGE);
        let page = match self.audit.list_matching(&self.filter, self.before.as_deref(), limit).await {
            Ok(page) => page,
            Err(error) => {
                self.left = 0;
                // The connection breaks off, so that nobody takes a part for the whole.
                return Some((Err(error), self));
            }
        };
        let (why, before) = if page.database_error.is_some() {
            (Some("the records of the database are missing: it is away"), self.before.clone())
        } else if page.files_error.is_some() {
            let why = "the records that wait in the file storage are missing: it does not answer";
            (Some(why), self.before.clone())
        } else if page.next.is_some() && page.records.len() >= self.left {
            (Some("a file has 100,000 records at most; before leads to the next ones"), page.next.clone())
        } else {
            (None, None)
        };
        let goes_on = why.is_none() && page.next.is_some();
        self.left = if goes_on { self.left.saturating_sub(page.records.len()) } else { 0 };
        self.before = page.next;
        let lines = page.records.into_iter().filter_map(|record| {
            serde_json::to_string(&AuditEntry::from(record)).ok().map(|line| line + "\n")
        });
        let mut text: String = lines.collect();
        if let Some(why) = why {
            // Nobody may take a part for the whole.
            text.push_str(&json!({ "is_incomplete": true, "why": why, "before": before }).to_string());
            text.push('\n');
        }
        Some((Ok(text), self))
    }
}

/// `GET /console/audit/export`: one record a line, as JSON.
pub(super) async fn export(visit: Visit) -> Result<Response, Problem> {
    let filter = filter(&visit.query)?;
    let before = visit.query.text("before").filter(|text| parse_cursor(text).is_some()).map(str::to_owned);
    let first = Export { audit: visit.state.audit.clone(), filter, before, left: EXPORT_MAX };
    let Some((page, rest)) = first.next().await else { return Err(Problem::internal()) };
    let page = page.map_err(|error| failed(&error))?;
    let lines = stream::once(async move { Ok(page) });
    let lines = futures_util::StreamExt::chain(lines, stream::unfold(rest, Export::next));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"audit.ndjson\"")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}
