//! Reads a JSON body with limits of size and time, and refuses it with a clear reason.

use std::time::Duration;

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::{HeaderMap, header},
};
use futures_util::StreamExt as _;
use serde_json::Value;

use super::{codes, error::Problem, state::Limits};

/// How much of an oversized body is read and dropped. A sender that is cut off earlier sees only a broken
/// connection instead of the answer.
const DRAIN_BYTES_MAX: usize = 32 * 1024 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the service waits for a sender that announced a body and sends nothing.
const DRAIN_IDLE_TIMEOUT: Duration = Duration::from_millis(500);

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The problems of every body whose fields are checked.
pub(super) const PROBLEMS: &[codes::Code] = &[
    codes::MALFORMED_JSON,
    codes::INCOMPLETE_BODY,
    codes::BODY_TIMEOUT,
    codes::BODY_TOO_LARGE,
    codes::UNSUPPORTED_MEDIA_TYPE,
    codes::INVALID_FIELDS,
];

/// Reads a body as JSON. A body without a content type is accepted.
///
/// 413 for a body over the limit, 415 for another content type, 408 if the body is too slow, 400 if it is not
/// JSON.
pub(super) async fn json(request: Request, limits: &Limits) -> Result<Value, Problem> {
    let (head, body) = request.into_parts();
    says_json(&head.headers)?;
    parse(&bytes(&head.headers, body, limits).await?)
}

/// The same for an operation that needs no body. Whatever a client says of an empty body, it is none.
pub(super) async fn optional_json(request: Request, limits: &Limits) -> Result<Option<Value>, Problem> {
    let (head, body) = request.into_parts();
    let bytes = bytes(&head.headers, body, limits).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    says_json(&head.headers)?;
    parse(&bytes).map(Some)
}

fn says_json(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(header::CONTENT_TYPE);
    if content_type.is_none_or(|content_type| content_type.to_str().is_ok_and(is_json)) {
        return Ok(());
    }
    Err(Problem::new(
        codes::UNSUPPORTED_MEDIA_TYPE,
        "the body must be JSON, with Content-Type: application/json",
    ))
}

async fn bytes(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Vec<u8>, Problem> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    if codings
        .into_iter()
        .any(|coding| !coding.is_empty() && !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Problem::new(
            codes::UNSUPPORTED_MEDIA_TYPE,
            "the body must be sent as it is, without a Content-Encoding",
        ));
    }
    // The client waits for `100 Continue`, so it has sent no body yet.
    let asks_first = headers.contains_key(header::EXPECT);
    let stated = headers.get(header::CONTENT_LENGTH);
    let stated: Option<usize> = stated.and_then(|value| value.to_str().ok()?.parse().ok());
    let mut body = body.into_data_stream();
    if stated.is_some_and(|bytes| bytes > limits.body_bytes_max) {
        if !asks_first {
            drain(&mut body).await;
        }
        return Err(too_large(limits));
    }
    let bytes = tokio::time::timeout(limits.body_timeout, read(&mut body, limits));
    bytes.await.map_err(|_| Problem::new(codes::BODY_TIMEOUT, "the body did not arrive in time"))?
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    // RFC 8259, 8.1 forbids a byte order mark, and some clients send one.
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut body = serde_json::from_slice(text).map_err(|error| {
        // Show line and column, and never the text itself.
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body is not JSON (line {line}, column {column})");
        Problem::new(codes::MALFORMED_JSON, detail)
    })?;
    make_whole(&mut body);
    Ok(body)
}

/// Reads `60.0` as `60`: to JSON Schema, and to programs whose numbers are all floats, both are the same integer.
fn make_whole(value: &mut Value) {
    /// Up to here, a float holds every integer exactly (2^53).
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT_MAX);
            if let Some(whole) = whole {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within 2^53")]
                let whole = whole as i64;
                *number = whole.into();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_whole),
        Value::Object(fields) => fields.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

async fn read(body: &mut BodyDataStream, limits: &Limits) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk =
            chunk.map_err(|_| Problem::new(codes::INCOMPLETE_BODY, "the body broke off before its end"))?;
        if bytes.len() + chunk.len() > limits.body_bytes_max {
            drop(bytes);
            drain(body).await;
            return Err(too_large(limits));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn drain(body: &mut BodyDataStream) {
    let drop_all = async {
        let mut dropped = 0;
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(DRAIN_IDLE_TIMEOUT, body.next()).await {
            dropped += chunk.len();
            if dropped > DRAIN_BYTES_MAX {
                return;
            }
        }
    };
    // The answer is the same, whether the body ended or not.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, drop_all).await;
}

fn too_large(limits: &Limits) -> Problem {
    let detail = format!("the body is larger than {} bytes", limits.body_bytes_max);
    Problem::new(codes::BODY_TOO_LARGE, detail)
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_floats_are_integers() {
        let mut body = json!({"a": [60.0, 0.5, -3.0], "b": {"c": 1e300, "d": 9_007_199_254_740_993_u64}});
        make_whole(&mut body);
        assert_eq!(body, json!({"a": [60, 0.5, -3], "b": {"c": 1e300, "d": 9_007_199_254_740_993_u64}}));
    }
}
