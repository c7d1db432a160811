//! `GET /api/admin/audit`: who changed what, the newest first.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use storage::control_plane::AuditFilter;

use crate::{
    audit::{AuditEntry, parse_cursor},
    http::{
        cache_control::NO_STORE,
        codes,
        error::{FieldProblem, Problem},
        operation::Operation,
        state::HttpState,
    },
    runs::bulk::parse_time,
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
    /// Only changes by the key with this name.
    #[schemars(length(max = TEXT_MAX))]
    actor: Option<String>,
    /// Only this action, such as `run.cancel`, or all of a thing, such as `run`.
    #[schemars(length(max = TEXT_MAX))]
    action: Option<String>,
    /// Only changes of the thing with this id.
    #[schemars(length(max = TEXT_MAX))]
    target: Option<String>,
    /// Only changes at this time or later.
    #[schemars(regex(
        pattern = r"^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]Z)?)?$"
    ))]
    since: Option<String>,
}

/// The longest text to look for, in characters. No name is longer.
const TEXT_MAX: usize = 200;

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
    let Asked { before, limit, filter } = parse(query.as_deref().unwrap_or_default())?;
    let page = state.audit.list_matching(&filter, before.as_deref(), limit).await.map_err(|error| {
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

/// A checked query.
struct Asked {
    before: Option<String>,
    limit: usize,
    filter: AuditFilter,
}

fn parse(query: &str) -> Result<Asked, Problem> {
    let mut asked = Asked { before: None, limit: LIMIT, filter: AuditFilter::default() };
    let mut problems = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let text = || Some(value.clone().into_owned());
        let parsed = match &*name {
            _ if value.is_empty() => Ok(()),
            "before" if parse_cursor(&value).is_some() => {
                asked.before = text();
                Ok(())
            }
            "before" => Err(("before", "must be next of an earlier answer".to_owned())),
            "limit" => match value.parse() {
                Ok(number) if (1..=LIMIT_MAX).contains(&number) => {
                    asked.limit = number;
                    Ok(())
                }
                _ => Err(("limit", format!("must be a whole number, 1 to {LIMIT_MAX}"))),
            },
            "since" => {
                asked.filter.since = parse_time(&value);
                let what = || ("since", "must be a time in UTC, such as 2026-12-01T09:30:00Z".to_owned());
                asked.filter.since.map(|_| ()).ok_or_else(what)
            }
            "actor" | "action" | "target" if value.chars().count() > TEXT_MAX => {
                Err(("filter", format!("{name} must have {TEXT_MAX} characters at most")))
            }
            "actor" => {
                asked.filter.actor = text();
                Ok(())
            }
            "action" => {
                asked.filter.action = text();
                Ok(())
            }
            "target" => {
                asked.filter.target = text();
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err((field, detail)) = parsed {
            problems.push(FieldProblem { field, detail });
        }
    }
    if problems.is_empty() { Ok(asked) } else { Err(Problem::fields(problems)) }
}
