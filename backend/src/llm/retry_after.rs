//! Parses how long an endpoint asks the client to wait.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use pipeline::clock::Timestamp;
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;

/// A larger number is a time in milliseconds since 1970. A number above [`EPOCH_SECONDS_MIN`] is one in
/// seconds.
const EPOCH_MILLIS_MIN: f64 = 1e11;
const EPOCH_SECONDS_MIN: f64 = 1e9;

/// Reads `Retry-After` (seconds, a span or an HTTP date) or `retry-after-ms`, else the reset of a rate limit.
/// That is OpenRouter's `X-RateLimit-Reset`, or the header of OpenAI, Anthropic and Cerebras for the
/// exhausted limit. A reset counts only if the limit caused the refusal, because many endpoints send it with
/// every response. None if no header can be read.
pub(super) fn from_headers(headers: &HeaderMap, status: StatusCode, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let millis = || text("retry-after-ms")?.parse::<f64>().ok().and_then(|millis| seconds(millis / 1e3));
    let stated = |value: &str| {
        value.parse().ok().and_then(seconds).or_else(|| compound(value)).or_else(|| until_date(value, now))
    };
    let is_limited = status == StatusCode::TOO_MANY_REQUESTS || text("x-ratelimit-remaining") == Some("0");
    let reset = || {
        let at =
            text("x-ratelimit-reset").or_else(|| text("ratelimit-reset")).and_then(|value| until(value, now));
        at.or_else(|| text("x-ratelimit-reset-after").and_then(stated)).filter(|_| is_limited)
    };
    text(RETRY_AFTER.as_str()).and_then(stated).or_else(millis).or_else(reset).or_else(|| {
        let used_up = |limit: &&(&str, &str)| text(limit.0) == Some("0");
        let resets = USED_UP.iter().filter(used_up).filter_map(|(_, reset)| until(text(reset)?, now));
        resets.max()
    })
}

/// Pairs of headers of OpenAI, Anthropic and Cerebras: the remainder of a limit, and the time of its reset.
const USED_UP: [(&str, &str); 6] = [
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
    ("x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
];

/// Reads the headers that OpenRouter repeats in the body of its own 429s (`error.metadata.headers`).
pub(super) fn from_rate_limit(body: &[u8], now: Timestamp) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let reset = body.pointer("/error/metadata/headers/X-RateLimit-Reset")?;
    until(&reset.as_str().map_or_else(|| reset.to_string(), str::to_owned), now)
}

/// Reads the members of an error object: OpenRouter's `availability` and `metadata`, Google's `RetryInfo`,
/// and others'.
pub(super) fn from_members(error: &Value) -> Option<Duration> {
    let nested = ["availability", "metadata"].into_iter().filter_map(|name| error.get(name));
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(error).chain(nested).chain(details).find_map(|object| {
        let seconds = ["retry_after", "retry_after_seconds", "retryAfter", "retryDelay", "retry_delay"];
        let millis = ["retry_after_ms", "retryAfterMs"];
        let wait = seconds.into_iter().find_map(|name| span(object.get(name)?));
        wait.or_else(|| millis.into_iter().find_map(|name| span(object.get(name)?)).map(|wait| wait / 1_000))
    })
}

/// Reads a sentence such as "Please retry in 12s." or "try again in 1m2.5s".
pub(super) fn from_words(sentence: &str) -> Option<Duration> {
    let lower = sentence.to_ascii_lowercase();
    let markers = ["retry in ", "try again in ", "retry after ", "try again after ", "wait "];
    markers.into_iter().find_map(|marker| {
        let rest = lower.get(lower.find(marker)? + marker.len()..)?;
        let mut words = rest.split_whitespace();
        let first = words.next()?.trim_end_matches(['.', ',', ';', ')']);
        compound(first).or_else(|| {
            let number: f64 = first.parse().ok()?;
            let unit = words.next().unwrap_or("seconds").trim_end_matches(['.', ',', ';', ')']);
            seconds(number * unit_seconds(unit)?)
        })
    })
}

/// Parses a number of seconds, `"12s"`, `"1m2.5s"`, or Google's `{seconds, nanos}`.
fn span(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => seconds(number.as_f64()?),
        Value::String(text) => text.trim().parse().ok().and_then(seconds).or_else(|| compound(text.trim())),
        Value::Object(parts) => {
            let part = |name: &str| {
                parts.get(name).and_then(|part| part.as_f64().or_else(|| part.as_str()?.parse().ok()))
            };
            seconds(part("seconds")? + part("nanos").unwrap_or(0.0) / 1e9)
        }
        _ => None,
    }
}

/// Parses `6m0s`, `250ms`, `1h`, `12s`.
fn compound(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, next) = unit.split_at(end);
        total += number.parse::<f64>().ok()? * unit_seconds(unit)?;
        rest = next;
    }
    if text.is_empty() { None } else { seconds(total) }
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        _ => return None,
    })
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

fn until_date(value: &str, now: Timestamp) -> Option<Duration> {
    let date = DateTime::parse_from_rfc2822(value).or_else(|_| DateTime::parse_from_rfc3339(value));
    // RFC 9110 requires support for the two older forms.
    let old = || {
        let weekday = value.split_once(", ").map_or(value, |(_, date)| date);
        let forms = [(weekday, "%d-%b-%y %H:%M:%S GMT"), (value, "%a %b %e %H:%M:%S %Y")];
        forms.into_iter().find_map(|(text, form)| NaiveDateTime::parse_from_str(text, form).ok())
    };
    let date = date.map(|date| date.to_utc()).ok().or_else(|| old().map(|date| date.and_utc()))?;
    // A past date means now.
    Some((date - now).to_std().unwrap_or_default())
}

/// Parses a reset: milliseconds or seconds since 1970, seconds from now, a date, or `6m0s`.
fn until(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let Ok(number) = value.parse::<f64>() else {
        return compound(value).or_else(|| until_date(value, now));
    };
    let millis = match number {
        _ if number >= EPOCH_MILLIS_MIN => number,
        _ if number >= EPOCH_SECONDS_MIN => number * 1e3,
        _ => return seconds(number),
    };
    let at = DateTime::from_timestamp_millis(millis as i64)?;
    Some((at - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn asked(headers: &[(&str, &str)]) -> Option<Duration> {
        let named = |(name, value): &(&str, &str)| {
            (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap())
        };
        from_headers(&headers.iter().map(named).collect(), StatusCode::TOO_MANY_REQUESTS, now())
    }

    #[test]
    fn seconds_dates_and_nonsense() {
        let after = |value: &str| asked(&[("retry-after", value)]);
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(after("Thu, 01 Jan 2026 00:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(after("Thursday, 01-Jan-26 00:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(after("Thu Jan  1 00:01:00 2026"), Some(Duration::from_secs(60)));
        assert_eq!(after("3s"), Some(Duration::from_secs(3)));
        assert_eq!(after("Wed, 31 Dec 2025 00:01:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["-1", "soon", "", "NaN", "1e300"] {
            assert_eq!(after(nonsense), None, "{nonsense}");
        }
        assert_eq!(asked(&[("retry-after-ms", "1500")]), Some(Duration::from_millis(1_500)));
    }

    #[test]
    fn resets_of_rate_limits() {
        for (value, wait) in
            [("1767225605000", 5), ("1767225605", 5), ("30", 30), ("6m0s", 360), ("2026-01-01T00:00:20Z", 20)]
        {
            assert_eq!(asked(&[("x-ratelimit-reset", value)]), Some(Duration::from_secs(wait)), "{value}");
        }
        let openai = [
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "12"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        assert_eq!(asked(&openai), Some(Duration::from_secs(1)), "only the limit that is used up counts");
        let headers = HeaderMap::from_iter([("x-ratelimit-reset".parse().unwrap(), "3600".parse().unwrap())]);
        assert_eq!(
            from_headers(&headers, StatusCode::SERVICE_UNAVAILABLE, now()),
            None,
            "the limit is not reached"
        );
        let body = br#"{"error":{"metadata":{"headers":{"X-RateLimit-Reset":"1767225605000"}}}}"#;
        assert_eq!(from_rate_limit(body, now()), Some(Duration::from_secs(5)));
    }

    #[test]
    fn members_and_words() {
        for (error, millis) in [
            (json!({"retry_after": 2}), 2_000),
            (json!({"retry_after": "1.5"}), 1_500),
            (json!({"availability": {"retry_after": 3}}), 3_000),
            (json!({"metadata": {"retry_after_seconds": 4}}), 4_000),
            (json!({"retry_after_ms": 250}), 250),
            (json!({"details": [{"@type": "x"}, {"retryDelay": "12s"}]}), 12_000),
            (json!({"details": [{"retryDelay": {"seconds": "1", "nanos": 500_000_000}}]}), 1_500),
        ] {
            assert_eq!(from_members(&error), Some(Duration::from_millis(millis)), "{error}");
        }
        for (words, millis) in [
            ("Quota exceeded. Please retry in 12s.", 12_000),
            ("Please try again in 7.66s. Visit the page.", 7_660),
            ("Please try again in 1m2.5s", 62_500),
            ("try again in 250ms.", 250),
            ("Retry after 30 seconds.", 30_000),
            ("try again in 2 minutes", 120_000),
        ] {
            assert_eq!(from_words(words), Some(Duration::from_millis(millis)), "{words}");
        }
        for words in ["try again in a while", "retry in", "wait for it", ""] {
            assert_eq!(from_words(words), None, "{words}");
        }
    }
}
