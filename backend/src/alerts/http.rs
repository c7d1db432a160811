//! Requests to the other sides of channels: limited in time and bytes, never redirected, and without addresses in errors.

use std::{path::Path, time::Duration};

use foundation::tls;
use reqwest::{Client, RequestBuilder, Response, StatusCode, header::RETRY_AFTER, redirect::Policy};
use serde_json::Value;

/// The time limit of a connection, and of a request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an answer is read.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How much of an answer an error shows.
const SHOWN_CHARS_MAX: usize = 120;

/// The wait after 429 without `Retry-After`: PagerDuty asks for minutes.
const RATE_WAIT: Duration = Duration::from_secs(120);

/// The longest wait that another side may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendError {
    /// A sentence part without secrets and addresses.
    pub reason: String,
    /// How long the other side asks to wait.
    pub retry_after: Option<Duration>,
}

impl SendError {
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: None }
    }
}

/// The client of all channels.
///
/// # Errors
///
/// Says which certificate cannot be read, or that the client cannot be made.
pub fn client(extra_ca_file: Option<&Path>) -> Result<Client, String> {
    let builder = tls::client_builder(extra_ca_file)?
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT);
    builder.build().map_err(|_| "the HTTPS client of the channels cannot be set up".to_owned())
}

/// Sends a request, and reads the start of its answer.
pub(super) async fn ask(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), SendError> {
    // The error itself would show the address, which may be a secret.
    let mut response = request.send().await.map_err(|error| {
        SendError::new(match () {
            () if error.is_connect() => "no connection",
            () if error.is_timeout() => "no answer in time",
            () => "the connection broke",
        })
    })?;
    let (status, wait) = (response.status(), retry_after(&response));
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX
        && let Ok(Some(piece)) = response.chunk().await
    {
        body.extend_from_slice(&piece);
    }
    if status.is_success() {
        return Ok((status, body));
    }
    let is_limited =
        status == StatusCode::TOO_MANY_REQUESTS || (status == StatusCode::FORBIDDEN && wait.is_some());
    let retry_after = if is_limited { Some(wait.unwrap_or(RATE_WAIT)) } else { wait };
    Err(SendError { reason: format!("HTTP {}{}", status.as_u16(), shown(&body)), retry_after })
}

/// The JSON of an answer.
pub(super) fn json(body: &[u8]) -> Result<Value, SendError> {
    serde_json::from_slice(body).map_err(|_| SendError::new("the answer is no JSON"))
}

/// The start of a refusal, in visible characters. Receivers repeat the address that they do not know, and its path
/// may be a secret, so nothing with a slash is shown.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_plain = !text.is_empty() && !text.contains('/') && !text.starts_with('<');
    if !is_plain {
        return String::new();
    }
    let visible: String = text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect();
    format!(": {visible}")
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The first characters of a text.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_refusal_never_shows_the_address() {
        for body in [
            r#"{"message":"Route POST:/hooks/hush not found","error":"Not Found","statusCode":404}"#,
            "Cannot POST /hooks/hush",
            r#"{"status":404,"path":"/hooks/hush"}"#,
            "no such address: https://example.com/hush",
            "nothing at /?token=hush",
            " <html>hush</html>",
            "  ",
        ] {
            assert_eq!(shown(body.as_bytes()), "", "{body}");
        }
        assert_eq!(shown(b"invalid\n  token"), ": invalid token");
        assert_eq!(shown("x".repeat(500).as_bytes()).chars().count(), 122);
    }
}
