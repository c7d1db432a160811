//! `GET /api/admin/audit`: who changed what, the newest first.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    audit::{AuditEntry, parse_cursor},
    http::{
        cache_control::NO_STORE,
        codes,
        error::{FieldProblem, Problem},
        operation::Operation,
        state::HttpState,
    },
};

/// The parameters. An empty one counts as absent.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
struct Query {
    /// 50 by default.
    #[schemars(range(min = 1, max = LIMIT_MAX))]
    limit: Option<usize>,
    /// `next` of an earlier answer.
    #[schemars(regex(pattern = r"^(-?[0-9]{1,15}\.[A-Za-z0-9-]{1,40})?$"))]
    before: Option<String>,
}

const LIMIT: usize = 50;
const LIMIT_MAX: usize = 500;

/// A page of the audit.
#[derive(Debug, Serialize, JsonSchema)]
struct AuditList {
    /// The newest first.
    records: Vec<AuditEntry>,
    /// Continues after this page, as `before`. None at the end.
    next: Option<String>,
    /// Whether records of the database are missing, because it is away. The page then shows the files of this replica.
    is_database_missing: bool,
    /// Whether records that wait in files are missing.
    are_files_missing: bool,
}

pub(in crate::http) fn describe() -> Operation {
    Operation::new("Operations", "listAudit", "Who changed what, the newest first")
        .text("While the database is away, the answer holds the records that wait in the file storage, and says so.")
        .query::<Query>()
        .json::<AuditList>(StatusCode::OK, "a page of the audit")
        .problems(&[codes::INSUFFICIENT_ROLE, codes::INVALID_FIELDS, codes::STORAGE_UNAVAILABLE])
}

/// A page of the audit.
pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (before, limit) = parse(query.as_deref().unwrap_or_default())?;
    let page = state.audit.list(before.as_deref(), limit).await.map_err(|error| {
        tracing::warn!(event = "audit_list_failed", %error, "the audit could not be read");
        Problem::storage_unavailable("the audit cannot be read now; try again")
    })?;
    let body = AuditList {
        records: page.records.into_iter().map(AuditEntry::from).collect(),
        next: page.next,
        is_database_missing: page.database_error.is_some(),
        are_files_missing: page.files_error.is_some(),
    };
    Ok((NO_STORE, Json(body)).into_response())
}

fn parse(query: &str) -> Result<(Option<String>, usize), Problem> {
    let (mut before, mut limit, mut problems) = (None, LIMIT, Vec::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            _ if value.is_empty() => {}
            "before" if parse_cursor(&value).is_some() => before = Some(value.into_owned()),
            "before" => {
                let detail = "must be next of an earlier answer".to_owned();
                problems.push(FieldProblem { field: "before", detail });
            }
            "limit" => match value.parse() {
                Ok(number) if (1..=LIMIT_MAX).contains(&number) => limit = number,
                _ => {
                    let detail = format!("must be a whole number, 1 to {LIMIT_MAX}");
                    problems.push(FieldProblem { field: "limit", detail });
                }
            },
            _ => {}
        }
    }
    if problems.is_empty() { Ok((before, limit)) } else { Err(Problem::fields(problems)) }
}
