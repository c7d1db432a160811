//! Why a person changes something: optional where the change says enough by itself, and always part of its audit record.

use axum::{
    extract::{FromRequestParts, Request},
    http::request::Parts,
};
use schemars::JsonSchema;
use serde_json::Value;

use super::{
    body,
    error::{FieldProblem, Problem},
    state::{HttpState, Limits},
};
use crate::audit::Actor;

/// The longest reason, in characters.
pub(super) const REASON_MAX: usize = 500;

/// Why something is changed.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand")]
pub(super) struct ChangeReason {
    /// Why. It stands in the audit record. Blank counts as absent.
    #[schemars(length(max = REASON_MAX))]
    reason: Option<String>,
}

/// The same in the query of a deletion.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand")]
pub(super) struct ReasonQuery {
    /// Why. It stands in the audit record. Blank counts as absent.
    #[schemars(length(max = REASON_MAX))]
    reason: Option<String>,
}

/// The reason in a JSON body. Having no body, an empty one, or null is the same as giving no reason.
pub(super) async fn of_body(request: Request, limits: &Limits) -> Result<Option<String>, Problem> {
    match body::optional_json(request, limits).await? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => match fields.get("reason") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => checked(text),
            Some(_) => Err(wrong("reason", "must be text")),
        },
        Some(_) => Err(wrong("body", "must be a JSON object")),
    }
}

/// A reason within its limit. Blank counts as absent.
pub(crate) fn checked(text: &str) -> Result<Option<String>, Problem> {
    // PostgreSQL stores no NUL.
    let text = text.replace('\0', "");
    let text = text.trim();
    if text.chars().count() > REASON_MAX {
        return Err(wrong("reason", "must have 500 characters at most"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// The problem of a change that needs a reason and has none.
pub(crate) fn missing() -> Problem {
    wrong("reason", "is required: it stands in the audit")
}

fn wrong(field: &'static str, detail: &str) -> Problem {
    Problem::fields(vec![FieldProblem { field, detail: detail.to_owned() }])
}

/// Who deletes something, with the reason in the query: a body of DELETE has no meaning that all proxies keep
/// (RFC 9110, 9.3.5).
pub(super) struct Deleting(pub(super) Actor);

impl FromRequestParts<HttpState> for Deleting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        let mut actor = parts.extensions.get::<Actor>().cloned().ok_or_else(Problem::internal)?;
        let query = parts.uri.query().unwrap_or_default();
        let given = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "reason");
        actor.reason = given.map_or(Ok(None), |(_, text)| checked(&text))?;
        Ok(Self(actor))
    }
}
