//! Errors in the endpoint's words: `{error: {code, message, metadata?}}` and its variants.

use std::time::Duration;

use serde_json::Value;

use crate::llm::fault::Upstream;

/// What OpenRouter says when it passes on a provider's error, whose own words stand in `metadata.raw`.
const GENERIC: &str = "Provider returned error";

/// Reads the body of a response with an error status. Takes any bytes.
#[must_use]
pub fn decode_error(status: u16, body: &[u8]) -> Upstream {
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => upstream(body.get("error").unwrap_or(&body), Some(status)),
        // A proxy's page tells people nothing that the status does not.
        Err(_) => Upstream { status: Some(status), ..Upstream::default() },
    }
}

/// Reads an `error` value. The HTTP status, where it is an error itself, counts more than the code inside.
pub(super) fn upstream(error: &Value, http_status: Option<u16>) -> Upstream {
    let availability = error.get("availability");
    let metadata = error.get("metadata");
    let hint = |name: &str| availability.and_then(|a| a.get(name)).or_else(|| error.get(name));
    Upstream {
        status: http_status
            .or_else(|| error.get("code").and_then(status))
            .or_else(|| error.get("http_status").and_then(status))
            .or_else(|| error.get("status").and_then(status)),
        message: message(error, metadata),
        retryable: hint("retryable").and_then(Value::as_bool),
        retry_after: hint("retry_after").and_then(seconds),
    }
}

/// `finish_reason: "error"` without any error beside it.
pub(super) fn unexplained() -> Upstream {
    Upstream {
        message: "the answer ended in an error that is not explained".to_owned(),
        ..Upstream::default()
    }
}

/// A status as a number, as digits, or as one of the names that OpenAI-like endpoints use.
fn status(code: &Value) -> Option<u16> {
    if let Some(number) = code.as_u64() {
        return u16::try_from(number).ok().filter(|number| (100..=999).contains(number));
    }
    match code.as_str()?.trim() {
        "invalid_api_key" => Some(401),
        "insufficient_quota" => Some(402),
        "model_not_found" => Some(404),
        "context_length_exceeded" | "invalid_request_error" => Some(400),
        "rate_limit_exceeded" => Some(429),
        digits => digits.parse().ok().filter(|number| (100..=999).contains(number)),
    }
}

fn message(error: &Value, metadata: Option<&Value>) -> String {
    let own = error.as_str().or_else(|| error.get("message").and_then(Value::as_str)).unwrap_or_default();
    let raw = metadata.and_then(|m| m.get("raw")).and_then(Value::as_str).unwrap_or_default();
    if raw.is_empty() || !(own.is_empty() || own == GENERIC) {
        return own.to_owned();
    }
    let provider =
        metadata.and_then(|m| m.get("provider_name")).and_then(Value::as_str).unwrap_or("the provider");
    format!("{provider} says: {raw}")
}

fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(number).ok()
}
