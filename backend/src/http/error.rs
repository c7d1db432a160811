//! Errors in the form that clients receive: `application/problem+json` (RFC 9457).
//!
//! `detail` and `error` hold the same sentence, because the frontend reads `error`. It retries 5xx and treats
//! 4xx as final. The codes are those of [`codes`].

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use pipeline::visible_text::visible;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cache_control::UNALTERED,
    codes::{self, Code},
    request_id::RequestId,
};
use crate::{
    health::NotReady,
    runs::{BatchQueryError, ControlError, DocumentQueryError, QueryError, SubmitError},
};
use storage::router::{FileAcceptance, FileRefusal};

/// The media type of every error.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// `Retry-After` while storage is down. Its breaker probes every two seconds.
const RETRY_STORAGE: Duration = Duration::from_secs(2);

/// `Retry-After` while this replica stops. Another replica takes over, or a new one starts.
const RETRY_DRAINING: Duration = Duration::from_secs(5);

/// `Retry-After` while this replica may not be alone. It looks at the registry every five seconds.
const RETRY_NOT_ALONE: Duration = Duration::from_secs(5);

/// `Retry-After` while the queue is full. A run takes minutes, and a slot becomes free every few seconds.
const RETRY_QUEUE: Duration = Duration::from_secs(10);

/// `Retry-After` while operators have paused acceptance. A pause lasts minutes.
const RETRY_PAUSED: Duration = Duration::from_secs(30);

/// `Retry-After` while an operator has switched storage off.
const RETRY_DISABLED: Duration = Duration::from_secs(30);

/// `Retry-After` while too many pages are drawn. A page takes a tenth of a second.
const RETRY_PICTURES: Duration = Duration::from_secs(2);

/// The longest path that is repeated to a client, in bytes.
const INSTANCE_BYTES_MAX: usize = 200;

/// The error of one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldProblem {
    pub field: &'static str,
    pub detail: String,
}

/// An error on its way to a client. The layer `access_log` writes its body, which names the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// A sentence for people. It may be shown to strangers.
    pub detail: String,
    pub retry_after: Option<Duration>,
    pub fields: Vec<FieldProblem>,
}

/// An error body (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// Stable, for programs.
    code: &'static str,
    /// A sentence for people.
    detail: &'a str,
    /// The same sentence.
    error: &'a str,
    /// The requested path, perhaps shortened.
    instance: &'a str,
    /// The request's id, also in the log.
    request_id: &'a str,
    /// All wrong fields, each with its error.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldProblem],
}

impl Problem {
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let Code { status, name, .. } = code;
        let detail = visible(&detail.into()).into_owned();
        Self { status, code: name, detail, retry_after: None, fields: Vec::new() }
    }

    /// 503: the same request may succeed later.
    #[must_use]
    pub fn unavailable(code: Code, detail: impl Into<String>, retry_after: Duration) -> Self {
        let problem = Self::new(code, detail);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// 422: lists all wrong fields at once.
    #[must_use]
    pub fn fields(mut fields: Vec<FieldProblem>) -> Self {
        for field in &mut fields {
            field.detail = visible(&field.detail).into_owned();
        }
        let detail =
            fields.iter().map(|problem| format!("{}: {}", problem.field, problem.detail)).collect::<Vec<_>>();
        let problem = Self::new(codes::INVALID_FIELDS, detail.join("; "));
        Self { fields, ..problem }
    }

    #[must_use]
    pub fn storage_unavailable(detail: impl Into<String>) -> Self {
        Self::unavailable(codes::STORAGE_UNAVAILABLE, detail, RETRY_STORAGE)
    }

    /// 503: files alone may not accept a run, or do not know every run.
    #[must_use]
    pub fn not_alone(refusal: FileRefusal) -> Self {
        let FileRefusal { reason, overlap_left } = refusal;
        if reason == FileAcceptance::Stopping {
            return NotReady::Draining.into();
        }
        // An answer goes out in whole seconds.
        let after = if overlap_left.is_zero() {
            RETRY_NOT_ALONE
        } else {
            Duration::from_secs(overlap_left.as_secs() + 1)
        };
        Self::unavailable(codes::NOT_ALONE, reason.sentence(), after)
    }

    #[must_use]
    pub fn internal() -> Self {
        let detail = "the service failed; its log has the cause under this request_id";
        Self::new(codes::INTERNAL, detail)
    }

    /// The complete body.
    pub(super) fn body<'a>(&'a self, request_id: &'a RequestId, path: &'a str) -> ProblemBody<'a> {
        ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            error: &self.detail,
            instance: shortened(path),
            request_id: request_id.as_str(),
            errors: &self.fields,
        }
    }

    /// The response with its body.
    pub(super) fn respond(&self, request_id: &RequestId, path: &str) -> Response {
        let mut response = (self.status, Json(self.body(request_id, path))).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
        response.headers_mut().insert(header::CACHE_CONTROL, UNALTERED);
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

fn shortened(path: &str) -> &str {
    path.get(..path.floor_char_boundary(INSTANCE_BYTES_MAX)).unwrap_or_default()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match &error {
            SubmitError::Address(_) => Self::new(codes::FORBIDDEN_URL, error.to_string()),
            // The error's own sentence names the folder, so it is replaced.
            SubmitError::BrandNotFound(_) => brand_not_found(),
            SubmitError::BrandsNotFound(_) => Self::new(codes::BRAND_NOT_FOUND, error.to_string()),
            SubmitError::BatchMismatch(_) => Self::new(codes::BATCH_CONFLICT, error.to_string()),
            SubmitError::KeyRequired => Self::new(codes::KEY_REQUIRED, error.to_string()),
            SubmitError::RequestMismatch(_) => Self::new(codes::RUN_CONFLICT, error.to_string()),
            SubmitError::Deleted(_) | SubmitError::BatchRunDeleted(_) => {
                Self::new(codes::RUN_ID_DELETED, error.to_string())
            }
            SubmitError::PersistenceDisabled => NotReady::PersistenceDisabled.into(),
            SubmitError::Paused => {
                Self::unavailable(codes::ACCEPTANCE_PAUSED, error.to_string(), RETRY_PAUSED)
            }
            SubmitError::Draining => NotReady::Draining.into(),
            SubmitError::QueueFull => Self::unavailable(codes::QUEUE_FULL, error.to_string(), RETRY_QUEUE),
            SubmitError::NotAlone(refusal) => Self::not_alone(*refusal),
            SubmitError::Unavailable(_) => Self::storage_unavailable(error.to_string()),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match &error {
            QueryError::NotFound(_) => Self::new(codes::RUN_NOT_FOUND, error.to_string()),
            QueryError::Deleted(_) => Self::new(codes::RUN_DELETED, error.to_string()),
            QueryError::NotAlone(_, refusal) => Self::not_alone(*refusal),
            QueryError::Unavailable(cause) => {
                tracing::warn!(event = "run_query_failed", error = %cause, "storage could not read or write a run");
                Self::storage_unavailable(error.to_string())
            }
        }
    }
}

impl From<BatchQueryError> for Problem {
    fn from(error: BatchQueryError) -> Self {
        match &error {
            BatchQueryError::NotFound(_) => Self::new(codes::BATCH_NOT_FOUND, error.to_string()),
            BatchQueryError::NotAlone(_, refusal) => Self::not_alone(*refusal),
            BatchQueryError::Unavailable(cause) => {
                tracing::warn!(event = "batch_query_failed", error = %cause, "storage could not read a batch");
                Self::storage_unavailable(error.to_string())
            }
        }
    }
}

impl From<DocumentQueryError> for Problem {
    fn from(error: DocumentQueryError) -> Self {
        let code = match &error {
            DocumentQueryError::Query(cause) => return cause.clone().into(),
            DocumentQueryError::Busy => {
                return Self::unavailable(codes::DOCUMENTS_BUSY, error.to_string(), RETRY_PICTURES);
            }
            DocumentQueryError::NotKept(_) => codes::DOCUMENT_NOT_KEPT,
            DocumentQueryError::NoSuchPage(_) => codes::PAGE_NOT_FOUND,
            DocumentQueryError::NoPictures | DocumentQueryError::NotDrawable(_) => codes::PAGE_NOT_DRAWABLE,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let code = match &error {
            ControlError::Query(cause) => return cause.clone().into(),
            ControlError::Running(_) => codes::RUN_RUNNING,
            ControlError::Complete(_) => codes::RUN_COMPLETE,
            ControlError::Failed(_) => codes::RUN_FAILED,
            ControlError::NeverAccepted(_) => codes::RUN_NOT_ACCEPTED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<NotReady> for Problem {
    fn from(reason: NotReady) -> Self {
        match reason {
            NotReady::PersistenceDisabled => Self::unavailable(
                codes::PERSISTENCE_DISABLED,
                "storage is switched off (ENABLE_DATABASE_WRITES and ENABLE_FILE_FALLBACK are both false), so nothing is accepted",
                RETRY_DISABLED,
            ),
            NotReady::Draining => {
                Self::unavailable(codes::DRAINING, "this replica is stopping; try again", RETRY_DRAINING)
            }
            NotReady::NotAlone(refusal) => Self::not_alone(refusal),
            NotReady::NoStorage => Self::storage_unavailable("no storage works at the moment; try again"),
        }
    }
}

/// 404 for a brand.
#[must_use]
pub fn brand_not_found() -> Problem {
    Problem::new(codes::BRAND_NOT_FOUND, "there is no brand with this id; GET /brands lists all brands")
}

/// 404 for a path without a route.
pub(super) async fn no_route() -> Problem {
    Problem::new(codes::NO_ROUTE, "there is nothing at this address")
}

/// 405. The router adds `Allow`.
pub(super) async fn no_method() -> Problem {
    Problem::new(
        codes::METHOD_NOT_ALLOWED,
        "this address does not support this method; the header Allow lists the supported ones",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_holds_only_visible_characters() {
        let sly = "pay \u{202e}001\u{202c}\u{9b}\u{e0041} now";
        assert_eq!(Problem::new(codes::INTERNAL, sly).detail, "pay 001 now");
        let problem = Problem::fields(vec![FieldProblem { field: "run_id", detail: sly.to_owned() }]);
        assert_eq!(
            (problem.detail.as_str(), problem.fields[0].detail.as_str()),
            ("run_id: pay 001 now", "pay 001 now")
        );
    }
}
