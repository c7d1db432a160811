//! `/api/admin/operations`: one change of all runs that a filter chooses.

mod bodies;
mod fields;

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use storage::control_plane::Permission;

pub(in crate::http) use self::bodies::{
    describe_cancel, describe_list, describe_one, describe_preview, describe_start,
};
use self::{bodies::OperationList, fields::Fields};
use crate::{
    access::Caller,
    audit::Actor,
    http::{
        body,
        cache_control::NO_STORE,
        codes,
        error::{FieldProblem, Problem},
        reason,
        state::HttpState,
    },
    runs::bulk::{BulkError, OperationOrder, OperationView, PreviewView, parse_time},
};

/// `Retry-After` while the database is away.
const RETRY: Duration = Duration::from_secs(5);

/// `POST /api/admin/operations/preview`
pub(in crate::http) async fn preview(
    State(state): State<HttpState>,
    request: Request,
) -> Result<Response, Problem> {
    let body = body::json(request, &state.limits).await?;
    let mut fields = Fields::of(&body)?;
    let chosen = fields.chosen();
    let (action, filter) = fields.finish(chosen)?;
    let preview = state.operations.preview(action, filter).await?;
    Ok((NO_STORE, Json(PreviewView::from(preview))).into_response())
}

/// `POST /api/admin/operations`
pub(in crate::http) async fn start(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Extension(by): Extension<Actor>,
    request: Request,
) -> Result<Response, Problem> {
    may_control(&caller)?;
    let body = body::json(request, &state.limits).await?;
    let mut fields = Fields::of(&body)?;
    let chosen = fields.chosen();
    let expected = fields.number("expected");
    let as_of = fields.text("as_of").and_then(parse_time);
    if as_of.is_none() {
        fields.problem("as_of", "is required: as_of of the preview");
    }
    let operation_id = fields.text("operation_id").map(uuid::Uuid::try_parse);
    if matches!(operation_id, Some(Err(_))) {
        fields.problem("operation_id", "must be operation_id of a preview");
    }
    let reason = fields.reason();
    let order = chosen.zip(expected).zip(as_of).zip(reason);
    let order = order.map(|((((action, filter), expected), as_of), reason)| {
        let operation_id = operation_id.and_then(Result::ok);
        OperationOrder { action, filter, as_of, expected, reason, operation_id }
    });
    let order = fields.finish(order)?;
    let operation = state.operations.start(order, &by).await?;
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(OperationView::from(operation))).into_response())
}

/// `GET /api/admin/operations`
pub(in crate::http) async fn list(State(state): State<HttpState>) -> Result<Response, Problem> {
    let operations = state.operations.operations().await?;
    let operations = operations.into_iter().map(OperationView::from).collect();
    Ok((NO_STORE, Json(OperationList { operations })).into_response())
}

/// `GET /api/admin/operations/{operation_id}`
pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let operation = state.operations.operation(&id_of(id)?).await?;
    Ok((NO_STORE, Json(OperationView::from(operation))).into_response())
}

/// `POST /api/admin/operations/{operation_id}/cancel`
pub(in crate::http) async fn cancel(
    State(state): State<HttpState>,
    Extension(by): Extension<Actor>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let id = id_of(id)?;
    let reason = reason::of_body(request, &state.limits).await?;
    let operation = state.operations.cancel(&id, reason, &by).await?;
    Ok((NO_STORE, Json(OperationView::from(operation))).into_response())
}

/// A key that is narrowed to operations alone must not change runs by them.
fn may_control(caller: &Caller) -> Result<(), Problem> {
    if caller.may(Permission::ControlRuns) {
        return Ok(());
    }
    let detail = "bulk operations change runs, and this key's scopes do not include control_runs";
    Err(Problem::new(codes::INSUFFICIENT_ROLE, detail))
}

fn id_of(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    id.map(|Path(id)| id).map_err(|_| BulkError::NotFound.into())
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        let code = match &error {
            BulkError::Invalid(field, what) => {
                return Self::fields(vec![FieldProblem { field, detail: (*what).to_owned() }]);
            }
            BulkError::Away(cause) | BulkError::TooSlow(cause) => {
                tracing::warn!(event = "bulk_operation_query_failed", error = %cause, "a bulk operation could not be read or changed");
                return Self::unavailable(codes::OPERATIONS_UNAVAILABLE, error.to_string(), RETRY);
            }
            BulkError::NoDatabase | BulkError::WithoutDatabase => {
                return Self::unavailable(codes::OPERATIONS_UNAVAILABLE, error.to_string(), RETRY);
            }
            BulkError::Differs { .. } => codes::OPERATION_CHANGED,
            BulkError::Mismatch => codes::OPERATION_CONFLICT,
            BulkError::TooMany => codes::TOO_MANY_OPERATIONS,
            BulkError::NotFound => codes::OPERATION_NOT_FOUND,
            BulkError::Ended => codes::OPERATION_ENDED,
        };
        Self::new(code, error.to_string())
    }
}
