//! How long an endpoint asks to wait.

use std::time::Duration;

use chrono::DateTime;
use pipeline::clock::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

/// From `Retry-After` (seconds or an HTTP date), else from OpenRouter's own `X-RateLimit-Reset` (milliseconds since
/// 1970). None where neither is there or can be read.
pub(super) fn from_headers(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    text(RETRY_AFTER.as_str())
        .and_then(|value| seconds(value).or_else(|| until_date(value, now)))
        .or_else(|| text("x-ratelimit-reset").and_then(|value| until_millis(value, now)))
}

/// From the headers that OpenRouter repeats in the body of its own 429s (`error.metadata.headers`).
pub(super) fn from_rate_limit(body: &[u8], now: Timestamp) -> Option<Duration> {
    let body: Value = serde_json::from_slice(body).ok()?;
    until_millis(body.pointer("/error/metadata/headers/X-RateLimit-Reset")?.as_str()?, now)
}

fn seconds(value: &str) -> Option<Duration> {
    value.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn until_date(value: &str, now: Timestamp) -> Option<Duration> {
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    // A date that has passed means now.
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

fn until_millis(value: &str, now: Timestamp) -> Option<Duration> {
    let at = DateTime::from_timestamp_millis(value.trim().parse().ok()?)?;
    Some((at - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &'static str, value: &'static str) -> Option<Duration> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        from_headers(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]), now)
    }

    #[test]
    fn seconds_dates_and_nonsense() {
        assert_eq!(asked("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(asked("retry-after", "Thu, 01 Jan 2026 00:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(asked("retry-after", "Wed, 31 Dec 2025 00:01:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["-1", "soon", "", "NaN", "1e300"] {
            assert_eq!(asked("retry-after", nonsense), None, "{nonsense}");
        }
        assert_eq!(asked("x-ratelimit-reset", "1767225605000"), Some(Duration::from_secs(5)));
        let body = br#"{"error":{"metadata":{"headers":{"X-RateLimit-Reset":"1767225605000"}}}}"#;
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(from_rate_limit(body, now), Some(Duration::from_secs(5)));
    }
}
