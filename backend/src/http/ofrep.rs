//! `/ofrep/v1`: flags for other clients, by the OpenFeature Remote Evaluation Protocol 0.3.0. Its errors have the protocol's
//! own form, because its clients read that.

pub(super) mod events;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use pipeline::record::sha256_hex;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{body, cache_control::UNALTERED, codes, error::Problem, operation::Operation, state::HttpState};
use crate::flags::{Kind, Reading, Source, definitions};

/// The longest targeting key, in characters. A run's id has 100 at most.
const TARGETING_KEY_MAX: usize = 256;

/// The context of an evaluation.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand")]
#[schemars(rename = "EvaluationContext")]
struct Context {
    /// The run's id, for flags that are on for a share of the runs.
    #[schemars(rename = "targetingKey", length(max = TARGETING_KEY_MAX))]
    targeting_key: Option<String>,
}

/// A request for an evaluation.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "read by hand")]
struct EvaluationRequest {
    context: Option<Context>,
}

/// Why a flag has its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Reason {
    /// The same for all.
    Static,
    /// By the targeting key's place among the hundred.
    Split,
}

/// The evaluation of one flag.
#[derive(Debug, Serialize, JsonSchema)]
struct Evaluation {
    key: &'static str,
    value: bool,
    reason: Reason,
    /// `on` or `off`.
    variant: &'static str,
    metadata: Metadata,
}

/// Where a value comes from.
#[derive(Debug, Serialize, JsonSchema)]
struct Metadata {
    source: Source,
    /// The number of changes that this replica has seen.
    revision: u64,
}

/// A failed evaluation.
#[derive(Debug, Serialize, JsonSchema)]
struct EvaluationFailure {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(rename = "errorCode")]
    error_code: ErrorCode,
    #[serde(rename = "errorDetails")]
    error_details: String,
}

/// The protocol's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ErrorCode {
    ParseError,
    TargetingKeyMissing,
    InvalidContext,
    FlagNotFound,
}

/// One flag of many.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum EvaluationOrFailure {
    Evaluation(Evaluation),
    Failure(EvaluationFailure),
}

/// All flags.
#[derive(Debug, Serialize, JsonSchema)]
struct BulkEvaluation {
    flags: Vec<EvaluationOrFailure>,
    /// Where a client hears of changes, so that it need not poll.
    #[serde(rename = "eventStreams")]
    event_streams: [EventStream; 1],
}

/// A stream of changes.
#[derive(Debug, Serialize, JsonSchema)]
struct EventStream {
    /// `sse`: Server-Sent Events.
    #[serde(rename = "type")]
    kind: &'static str,
    endpoint: EventEndpoint,
    #[serde(rename = "inactivityDelaySec")]
    inactivity_delay_sec: u32,
}

/// The stream's address at the origin of this API. It needs the same key.
#[derive(Debug, Serialize, JsonSchema)]
struct EventEndpoint {
    #[serde(rename = "requestUri")]
    request_uri: &'static str,
}

const EVENTS: EventStream = EventStream {
    kind: "sse",
    endpoint: EventEndpoint { request_uri: events::PATH },
    inactivity_delay_sec: events::INACTIVITY_SECONDS,
};

const BODY_PROBLEMS: &[codes::Code] =
    &[codes::INCOMPLETE_BODY, codes::BODY_TIMEOUT, codes::BODY_TOO_LARGE, codes::UNSUPPORTED_MEDIA_TYPE];

pub(super) fn describe_one() -> Operation {
    Operation::new("Flags", "evaluateFlag", "Evaluates one flag (OFREP 0.3.0)")
        .body::<EvaluationRequest>()
        .json::<Evaluation>(StatusCode::OK, "the value")
        .json::<EvaluationFailure>(StatusCode::BAD_REQUEST, "the request cannot be evaluated")
        .json::<EvaluationFailure>(StatusCode::NOT_FOUND, "there is no such flag")
        .problems(BODY_PROBLEMS)
}

pub(super) fn describe_all() -> Operation {
    Operation::new("Flags", "evaluateFlags", "Evaluates all flags (OFREP 0.3.0)")
        .body::<EvaluationRequest>()
        .json::<BulkEvaluation>(StatusCode::OK, "the values")
        .header("ETag", "send it as If-None-Match with the same context")
        .empty(StatusCode::NOT_MODIFIED, "nothing has changed for this context")
        .json::<EvaluationFailure>(StatusCode::BAD_REQUEST, "the request cannot be evaluated")
        .problems(BODY_PROBLEMS)
}

/// `POST /ofrep/v1/evaluate/flags/{key}`
pub(super) async fn one(
    State(state): State<HttpState>,
    key: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let key = key.map_or_else(|_| String::new(), |Path(key)| key);
    let targeting_key = match context(&state, request).await? {
        Ok(targeting_key) => targeting_key,
        Err((code, details)) => return Ok(failed(StatusCode::BAD_REQUEST, Some(key), code, details)),
    };
    let Some(flag) = definitions::find(&key) else {
        let details = "there is no flag with this key";
        return Ok(failed(StatusCode::NOT_FOUND, Some(key), ErrorCode::FlagNotFound, details));
    };
    let source = &state.flags.source;
    let answer = match evaluate(&source.read(flag), source.effective().revision, targeting_key.as_deref()) {
        EvaluationOrFailure::Evaluation(evaluation) => (StatusCode::OK, Json(evaluation)).into_response(),
        EvaluationOrFailure::Failure(failure) => (StatusCode::BAD_REQUEST, Json(failure)).into_response(),
    };
    Ok(([(header::CACHE_CONTROL, UNALTERED)], answer).into_response())
}

/// `POST /ofrep/v1/evaluate/flags`
pub(super) async fn all(State(state): State<HttpState>, request: Request) -> Result<Response, Problem> {
    let known = known_tags(request.headers());
    let targeting_key = match context(&state, request).await? {
        Ok(targeting_key) => targeting_key,
        Err((code, details)) => return Ok(failed(StatusCode::BAD_REQUEST, None, code, details)),
    };
    let effective = state.flags.source.effective();
    let evaluated = effective
        .readings
        .iter()
        .map(|reading| evaluate(reading, effective.revision, targeting_key.as_deref()));
    let answer = BulkEvaluation { flags: evaluated.collect(), event_streams: [EVENTS] };
    // It covers the values, their sources and the context.
    let text = serde_json::to_string(&answer).map_err(|_| Problem::internal())?;
    let digest = sha256_hex(format!("{}\n{text}", targeting_key.unwrap_or_default()).as_bytes());
    let etag = format!("\"{}\"", digest.get(..32).unwrap_or(&digest));
    let is_known =
        known.iter().any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag.as_str());
    let etag = HeaderValue::from_str(&etag).map_err(|_| Problem::internal())?;
    let headers = [(header::ETAG, etag), (header::CACHE_CONTROL, UNALTERED)];
    Ok(if is_known {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, Json(answer)).into_response()
    })
}

/// The tags of `If-None-Match`.
fn known_tags(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect()
}

fn evaluate(reading: &Reading, revision: u64, targeting_key: Option<&str>) -> EvaluationOrFailure {
    let Reading { flag, value, source } = *reading;
    let is_split = flag.kind == Kind::Percentage && value.is_split();
    let is_on = match targeting_key {
        Some(run) => value.is_on_for(flag.key, run),
        None if is_split => {
            return EvaluationOrFailure::Failure(EvaluationFailure {
                key: Some(flag.key.to_owned()),
                error_code: ErrorCode::TargetingKeyMissing,
                error_details:
                    "this flag is on for a share of the runs: context.targetingKey must be the run's id"
                        .to_owned(),
            });
        }
        None => value.is_on(),
    };
    EvaluationOrFailure::Evaluation(Evaluation {
        key: flag.key,
        value: is_on,
        reason: if is_split { Reason::Split } else { Reason::Static },
        variant: if is_on { "on" } else { "off" },
        metadata: Metadata { source, revision },
    })
}

/// The targeting key of a request, or why the request has none that counts.
async fn context(
    state: &HttpState,
    request: Request,
) -> Result<Result<Option<String>, (ErrorCode, &'static str)>, Problem> {
    let body = match body::json(request, &state.limits).await {
        Ok(body) => body,
        Err(problem) if problem.code == codes::MALFORMED_JSON.name => {
            return Ok(Err((ErrorCode::ParseError, "the body is not JSON")));
        }
        Err(problem) => return Err(problem),
    };
    let Some(body) = body.as_object() else {
        return Ok(Err((ErrorCode::ParseError, "the body must be a JSON object with a context")));
    };
    let context = match body.get("context") {
        None | Some(Value::Null) => return Ok(Ok(None)),
        Some(Value::Object(context)) => context,
        Some(_) => return Ok(Err((ErrorCode::InvalidContext, "context must be an object"))),
    };
    Ok(match context.get("targetingKey") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(key)) if key.chars().count() <= TARGETING_KEY_MAX => {
            Ok(Some(key.clone()).filter(|key| !key.is_empty()))
        }
        Some(_) => Err((ErrorCode::InvalidContext, "targetingKey must be a text of 256 characters at most")),
    })
}

fn failed(status: StatusCode, key: Option<String>, error_code: ErrorCode, details: &str) -> Response {
    let failure = EvaluationFailure { key, error_code, error_details: details.to_owned() };
    (status, [(header::CACHE_CONTROL, UNALTERED)], Json(failure)).into_response()
}
