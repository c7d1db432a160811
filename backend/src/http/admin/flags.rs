//! `/api/admin/flags` and the emergency rollback.

use std::{ops::RangeInclusive, time::Duration};

use axum::{
    Extension, Json,
    extract::{Path, RawQuery, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use storage::{control_plane::FlagChange, mode::Mode};

use crate::{
    audit::Actor,
    flags::{FlagError, FlagListing, FlagView, HISTORY_MAX, Rollback, RollbackReport, definitions},
    http::{
        body,
        cache_control::NO_STORE,
        codes,
        error::{FieldProblem, Problem},
        operation::Operation,
        state::HttpState,
    },
};

/// `Retry-After` while the flags of the database cannot be changed.
const RETRY: Duration = Duration::from_secs(5);

/// Changes of one page without `limit`.
const HISTORY_PAGE: usize = 50;

/// A change of a flag.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
struct FlagUpdate {
    /// True or false; or the share of the runs, 0 to 100. Null removes the value, and the environment's counts again.
    #[schemars(extend("anyOf" = [
        {"type": "boolean"},
        {"type": "integer", "minimum": 0, "maximum": 100},
        {"type": "null"},
    ]))]
    value: Value,
    /// Why. It stands in the history and in the audit.
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    reason: String,
    /// The `database_revision` that the caller has seen. 409 if the flag was changed since.
    expected_revision: u64,
}

/// An emergency rollback.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand, so that every problem is named at once")]
struct RollbackRequest {
    /// `DATABASE_ONLY`, `DUAL_WRITE` or `FILE_ONLY`.
    #[schemars(extend("enum" = ["DATABASE_ONLY", "DUAL_WRITE", "FILE_ONLY"]))]
    to: String,
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    reason: String,
    /// Also to a mode that stops acceptance or keeps outputs on ephemeral disks alone.
    force: Option<bool>,
}

/// Which changes.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand")]
struct HistoryQuery {
    /// Only changes before this revision.
    before: Option<u64>,
    /// 50 by default.
    #[schemars(range(min = 1, max = HISTORY_MAX))]
    limit: Option<usize>,
}

/// A change that was made.
#[derive(Debug, Serialize, JsonSchema)]
struct Changed {
    change: FlagChange,
    /// The flag on this replica a moment after the change. `FLAGS_FILE` may hide it.
    flag: FlagView,
}

/// The changes of a flag, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
struct History {
    changes: Vec<FlagChange>,
}

pub(in crate::http) fn describe_list() -> Operation {
    Operation::new("Operations", "listFlags", "All flags of this replica, each with its source")
        .json::<FlagListing>(StatusCode::OK, "the flags, and which replica has applied which revision")
}

pub(in crate::http) fn describe_one() -> Operation {
    Operation::new("Operations", "getFlag", "One flag of this replica")
        .json::<FlagView>(StatusCode::OK, "the flag")
        .problems(&[codes::FLAG_NOT_FOUND])
}

pub(in crate::http) fn describe_set() -> Operation {
    Operation::new("Operations", "setFlag", "Sets a flag for all replicas")
        .text("Each replica applies it within two seconds, and acknowledges it.")
        .body::<FlagUpdate>()
        .json::<Changed>(StatusCode::OK, "the change")
        .problems(body::PROBLEMS)
        .problems(&[
            codes::FLAG_NOT_FOUND,
            codes::FLAG_CHANGED,
            codes::FLAGS_INVALID,
            codes::FLAGS_UNAVAILABLE,
        ])
}

pub(in crate::http) fn describe_history() -> Operation {
    Operation::new("Operations", "getFlagHistory", "The changes of a flag, the newest first")
        .query::<HistoryQuery>()
        .json::<History>(StatusCode::OK, "the changes")
        .problems(&[codes::FLAG_NOT_FOUND, codes::INVALID_FIELDS, codes::FLAGS_UNAVAILABLE])
}

pub(in crate::http) fn describe_rollback() -> Operation {
    Operation::new("Operations", "emergencyRollback", "Changes the storage mode in one step")
        .text(
            "Works while the database is away too: then as a signed order in the file storage. The answer lists every \
             replica and whether it has followed.",
        )
        .body::<RollbackRequest>()
        .json::<RollbackReport>(StatusCode::OK, "the mode is ordered")
        .problems(body::PROBLEMS)
        .problems(&[codes::FLAGS_INVALID, codes::ROLLBACK_REFUSED, codes::FLAGS_UNAVAILABLE])
}

/// `GET /api/admin/flags`
pub(in crate::http) async fn list(State(state): State<HttpState>) -> Response {
    (NO_STORE, Json(FlagListing::of(&state.flags.source))).into_response()
}

/// `GET /api/admin/flags/{key}`
pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    key: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    Ok((NO_STORE, Json(view(&state, &key_of(key)?)?)).into_response())
}

/// `PUT /api/admin/flags/{key}`
pub(in crate::http) async fn set(
    State(state): State<HttpState>,
    Extension(by): Extension<Actor>,
    key: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let key = key_of(key)?;
    view(&state, &key)?;
    let body = body::json(request, &state.limits).await?;
    let mut fields = Fields::of(&body)?;
    let value = fields.body.get("value").filter(|value| !value.is_null());
    if !fields.body.contains_key("value") {
        fields.problem("value", "is required; null removes the value");
    }
    let reason = fields.reason();
    let expected = fields.body.get("expected_revision").and_then(Value::as_u64);
    if expected.is_none() {
        fields.problem("expected_revision", "is required: the database_revision that you have seen");
    }
    fields.finish()?;
    let change = state.flags.set(&key, value, reason, expected, &by).await?;
    // Without an answer, the task of this replica applies the change a moment later.
    let _ = state.flags.refresh().await;
    Ok((NO_STORE, Json(Changed { change, flag: view(&state, &key)? })).into_response())
}

/// `GET /api/admin/flags/{key}/history`
pub(in crate::http) async fn history(
    State(state): State<HttpState>,
    key: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let key = key_of(key)?;
    let number = |name: &'static str, range: RangeInclusive<u64>| -> Result<Option<u64>, Problem> {
        let query = query.as_deref().unwrap_or_default();
        let given = url::form_urlencoded::parse(query.as_bytes()).find(|(given, _)| given == name);
        let Some((_, text)) = given.filter(|(_, text)| !text.is_empty()) else { return Ok(None) };
        let detail = format!("must be a whole number from {} to {}", range.start(), range.end());
        match text.parse().ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::fields(vec![FieldProblem { field: name, detail }])),
        }
    };
    let limit = number("limit", 1..=HISTORY_MAX as u64)?;
    let limit = limit.map_or(HISTORY_PAGE, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let changes = state.flags.history(Some(&key), number("before", 0..=u64::MAX)?, limit).await?;
    Ok((NO_STORE, Json(History { changes })).into_response())
}

/// `POST /api/admin/emergency-rollback`
pub(in crate::http) async fn rollback(
    State(state): State<HttpState>,
    Extension(by): Extension<Actor>,
    request: Request,
) -> Result<Response, Problem> {
    let body = body::json(request, &state.limits).await?;
    let mut fields = Fields::of(&body)?;
    let to = fields.body.get("to").and_then(Value::as_str).and_then(Mode::of_name);
    if to.is_none() {
        fields.problem("to", "must be DATABASE_ONLY, DUAL_WRITE or FILE_ONLY");
    }
    let reason = fields.reason().to_owned();
    let force = match fields.body.get("force") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(force)) => *force,
        Some(_) => {
            fields.problem("force", "must be true or false");
            false
        }
    };
    fields.finish()?;
    let to = to.ok_or_else(Problem::internal)?;
    let plan = state.flags.plan(to).await;
    let report = state.flags.rollback(plan, &Rollback { to, reason, force }, &by).await?;
    Ok((NO_STORE, Json(report)).into_response())
}

fn key_of(key: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    key.map(|Path(key)| key).map_err(|_| not_found())
}

fn not_found() -> Problem {
    Problem::new(codes::FLAG_NOT_FOUND, "there is no flag with this key; GET /api/admin/flags lists all")
}

fn view(state: &HttpState, key: &str) -> Result<FlagView, Problem> {
    let flag = definitions::find(key).ok_or_else(not_found)?;
    Ok(FlagView::of(&state.flags.source.read(flag)))
}

/// The fields of a body, and what is wrong with them.
struct Fields<'a> {
    body: &'a Map<String, Value>,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    fn of(body: &'a Value) -> Result<Self, Problem> {
        let detail = || "must be a JSON object".to_owned();
        let body = body
            .as_object()
            .ok_or_else(|| Problem::fields(vec![FieldProblem { field: "body", detail: detail() }]))?;
        Ok(Self { body, problems: Vec::new() })
    }

    fn problem(&mut self, field: &'static str, detail: &str) {
        self.problems.push(FieldProblem { field, detail: detail.to_owned() });
    }

    fn reason(&mut self) -> &'a str {
        let reason = self.body.get("reason").and_then(Value::as_str).unwrap_or_default();
        if !(1..=500).contains(&reason.trim().chars().count()) {
            self.problem("reason", "is required, with 500 characters at most: it stands in the history");
        }
        reason
    }

    fn finish(self) -> Result<(), Problem> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problem::fields(self.problems)) }
    }
}

impl From<FlagError> for Problem {
    fn from(error: FlagError) -> Self {
        let code = match &error {
            FlagError::Unknown(_) => return not_found(),
            FlagError::NoReason => {
                return Self::fields(vec![FieldProblem { field: "reason", detail: error.to_string() }]);
            }
            FlagError::WrongValue(_) => {
                return Self::fields(vec![FieldProblem { field: "value", detail: error.to_string() }]);
            }
            FlagError::SwitchedOff => codes::FLAGS_INVALID,
            FlagError::Changed { .. } | FlagError::Unseen { .. } => codes::FLAG_CHANGED,
            FlagError::Refused(_) => codes::ROLLBACK_REFUSED,
            FlagError::NoRevision(_) | FlagError::NoOrder(_) => codes::FLAG_NOT_FOUND,
            FlagError::Unavailable(cause) if cause.kind == storage::StorageErrorKind::CasConflict => {
                codes::FLAG_CHANGED
            }
            FlagError::Unavailable(cause) => {
                tracing::warn!(event = "flag_change_failed", error = %cause, "the flags of the database could not be read or changed");
                let detail = "the flags of the database cannot be reached now; try again, or use \
                              POST /api/admin/emergency-rollback";
                return Self::unavailable(codes::FLAGS_UNAVAILABLE, detail, RETRY);
            }
            FlagError::NoDatabase | FlagError::NoSecret => {
                return Self::unavailable(codes::FLAGS_UNAVAILABLE, error.to_string(), RETRY);
            }
        };
        Self::new(code, error.to_string())
    }
}
