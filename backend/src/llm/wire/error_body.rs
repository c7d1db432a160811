//! Parses errors in every form that endpoints and their proxies use.

use pipeline::{llm::Oddities, tolerant_json};
use serde_json::Value;

use crate::llm::{fault::Upstream, retry_after};

/// OpenRouter's text for a provider's error. The provider's own words are in `metadata.raw`.
const GENERIC: &str = "Provider returned error";
/// The deepest nesting of errors in errors.
const DEPTH_MAX: usize = 4;
/// The members of error bodies that hold their parts, the more specific first.
const WRAPPERS: [&str; 5] = ["error", "errors", "detail", "fault", "base_resp"];
const MESSAGES: [&str; 7] =
    ["message", "msg", "error_description", "detail", "title", "faultstring", "reason"];
/// The members that name the kind of an error, the more specific first.
const KINDS: [&str; 6] = ["code", "status", "type", "error_type", "http_status", "status_code"];

/// Parses the body of a response with an error status. Accepts any bytes.
#[must_use]
pub fn decode_error(status: u16, body: &[u8]) -> Upstream {
    let values = tolerant_json::values(body, &mut Oddities::default());
    let error = match values.values.into_iter().next() {
        Some(body) => read(&body, 0),
        None => Upstream { message: words_of_page(body), ..Upstream::default() },
    };
    // For an empty account, the words are more exact than the status: OpenAI answers 429.
    let said = error.message.to_lowercase();
    let status = match status {
        400 | 403 | 429 if error.status == Some(402) || says_any(&said, &OUT_OF_MONEY) => 402,
        400 | 403 if says_any(&said, &BAD_KEY) => 401,
        status => status,
    };
    Upstream { status: Some(status), ..error }
}

/// Words of Anthropic and others for an empty account, with statuses that mean something else.
const OUT_OF_MONEY: [&str; 4] =
    ["credit balance is too low", "insufficient balance", "insufficient credits", "budget has been exceeded"];
/// Words of Google and others for a bad key, with statuses that mean something else.
const BAD_KEY: [&str; 4] = ["api key not valid", "api_key_invalid", "invalid api key", "incorrect api key"];

fn says_any(said: &str, words: &[&str]) -> bool {
    words.iter().any(|word| said.contains(word))
}

/// The error in a value of a 200. None if it has neither a message nor a code, because some endpoints send an
/// empty error with every answer.
pub(super) fn real(error: &Value) -> Option<Upstream> {
    let upstream = read(error, 0);
    let says_nothing = upstream.message.trim().is_empty() && upstream.status.is_none();
    let says_all_is_well =
        upstream.message.trim().is_empty() || upstream.message.eq_ignore_ascii_case("success");
    let is_success =
        says_all_is_well && error.get("code").and_then(Value::as_u64).is_some_and(is_success_code);
    let has_kind = error
        .get("type")
        .or_else(|| error.get("code"))
        .and_then(Value::as_str)
        .is_some_and(|t| !t.is_empty());
    (has_kind || !(is_success || says_nothing)).then_some(upstream)
}

fn is_success_code(code: u64) -> bool {
    code == 0 || (200..300).contains(&code)
}

/// The error for a finish reason `error` without any details.
pub(super) fn unexplained() -> Upstream {
    Upstream {
        message: "the answer ended in an error that is not explained".to_owned(),
        ..Upstream::default()
    }
}

/// Parses an error value. It may be an object in the form of OpenAI, OpenRouter, Anthropic, Google, FastAPI,
/// Cloudflare or vLLM, a list of such objects, or a text.
fn read(error: &Value, depth: usize) -> Upstream {
    match error {
        _ if depth > DEPTH_MAX => Upstream::default(),
        Value::String(text) => from_text(text, depth),
        Value::Array(list) => from_list(list, depth),
        Value::Object(_) => from_object(error, depth),
        _ => Upstream::default(),
    }
}

/// Reports the first of several errors. The parameters of all of them count.
fn from_list(list: &[Value], depth: usize) -> Upstream {
    /// More than a person reads.
    const ERRORS_MAX: usize = 8;
    let mut errors = list.iter().take(ERRORS_MAX).map(|error| read(error, depth + 1));
    let first = errors.next().unwrap_or_default();
    let rest: Vec<Upstream> = errors.collect();
    let parameters = std::iter::once(&first).chain(&rest).filter_map(|error| error.parameter.as_deref());
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    Upstream { parameter: (!parameters.is_empty()).then_some(parameters), ..first }
}

/// Parses a text: a message, or the error as JSON in a string.
fn from_text(text: &str, depth: usize) -> Upstream {
    let inner = text
        .trim_start()
        .starts_with(['{', '['])
        .then(|| tolerant_json::value(text, &mut Oddities::default()));
    match inner {
        Some(Ok(value)) => {
            let inner = read(&value, depth + 1);
            let message = if inner.message.is_empty() { text.to_owned() } else { inner.message };
            Upstream { message, ..inner }
        }
        _ => Upstream {
            message: text.to_owned(),
            retry_after: retry_after::from_words(text),
            ..Upstream::default()
        },
    }
}

fn from_object(error: &Value, depth: usize) -> Upstream {
    let inner = WRAPPERS
        .into_iter()
        .filter_map(|name| error.get(name))
        .find(|inner| !inner.is_null() && !inner.is_boolean())
        .map(|inner| read(inner, depth + 1))
        .unwrap_or_default();
    let metadata = error.get("metadata");
    let raw = metadata.and_then(|metadata| metadata.get("raw")).filter(|raw| !raw.is_null());
    let passed_on = raw.map(|raw| read(raw, depth + 1)).unwrap_or_default();
    let own = MESSAGES.into_iter().find_map(|name| error.get(name)?.as_str()).unwrap_or_default();
    let nested = || error.get("message").map(|message| read(message, depth + 1).message).unwrap_or_default();
    let provider = metadata.and_then(|metadata| metadata.get("provider_name")).and_then(Value::as_str);
    let message = if (own.is_empty() || own == GENERIC) && !passed_on.message.is_empty() {
        format!("{} says: {}", provider.unwrap_or("the provider"), passed_on.message)
    } else if own.is_empty() {
        if inner.message.is_empty() { nested() } else { inner.message }
    } else {
        own.to_owned()
    };
    let availability = error.get("availability");
    let hint = |name: &str| availability.and_then(|hints| hints.get(name)).or_else(|| error.get(name));
    let kinds = || KINDS.into_iter().filter_map(|name| error.get(name));
    let flagged = metadata.is_some_and(|metadata| metadata.get("flagged_input").is_some());
    Upstream {
        status: kinds().find_map(status).or(inner.status).or(passed_on.status),
        retryable: hint("retryable").and_then(Value::as_bool).or(inner.retryable),
        retry_after: retry_after::from_members(error)
            .or(inner.retry_after)
            .or(passed_on.retry_after)
            .or_else(|| retry_after::from_words(&message)),
        is_refusal: flagged || kinds().any(is_refusal) || inner.is_refusal || passed_on.is_refusal,
        parameter: parameter(error).or(inner.parameter).or(passed_on.parameter),
        message,
    }
}

/// The parameter of the request that caused an error: OpenAI's `param`, FastAPI's `loc`, Google's
/// `fieldViolations`.
fn parameter(error: &Value) -> Option<String> {
    let location = |parts: &Vec<Value>| {
        let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
        parts.join(".")
    };
    let violations = || {
        let details = error.get("details")?.as_array()?;
        details.iter().find_map(|detail| detail.pointer("/fieldViolations/0/field")?.as_str())
    };
    let named = error.get("param").and_then(Value::as_str).or_else(violations).map(str::to_owned);
    named.or_else(|| error.get("loc")?.as_array().map(location))
}

/// Parses a status: a number, digits, or one of the names of OpenAI, Anthropic and Google.
fn status(code: &Value) -> Option<u16> {
    let is_status = |number: &u16| (300..=999).contains(number);
    if let Some(number) = code.as_u64() {
        // MiniMax and Zhipu use their own numbers for an empty account.
        if matches!(number, 1008 | 1113) {
            return Some(402);
        }
        return u16::try_from(number).ok().filter(is_status);
    }
    Some(match code.as_str()?.trim().to_ascii_lowercase().as_str() {
        "invalid_api_key" | "authentication_error" | "unauthenticated" | "unauthorized" => 401,
        "insufficient_quota"
        | "billing_error"
        | "billing_hard_limit_reached"
        | "insufficient_credits"
        | "payment_required" => 402,
        "permission_error" | "permission_denied" | "forbidden" => 403,
        "model_not_found" | "not_found_error" | "not_found" => 404,
        "request_too_large" => 413,
        "context_length_exceeded" | "invalid_request_error" | "invalid_argument" | "bad_request" => 400,
        "rate_limit_exceeded" | "rate_limit_error" | "resource_exhausted" | "too_many_requests" => 429,
        "api_error" | "internal" | "internal_error" | "internal_server_error" => 500,
        "unavailable" | "service_unavailable" => 503,
        "deadline_exceeded" | "timeout_error" => 504,
        "overloaded_error" | "overloaded" => 529,
        digits => return digits.parse().ok().filter(is_status),
    })
}

/// Whether a filter before the model refused the prompt, in the words of OpenAI and Azure.
fn is_refusal(code: &Value) -> bool {
    let words =
        ["content_filter", "content_policy_violation", "moderation_blocked", "responsibleaipolicyviolation"];
    code.as_str().is_some_and(|code| words.contains(&code.to_ascii_lowercase().as_str()))
}

/// A text as it is, or the title of a proxy's page.
fn words_of_page(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let trimmed = text.trim();
    if !trimmed.starts_with('<') {
        return trimmed.to_owned();
    }
    let lower = trimmed.to_ascii_lowercase();
    let title = lower.find("<title>").map(|start| start + "<title>".len());
    let title = title.and_then(|start| {
        let end = start + lower.get(start..)?.find("</title>")?;
        trimmed.get(start..end)
    });
    title.unwrap_or_default().trim().to_owned()
}
