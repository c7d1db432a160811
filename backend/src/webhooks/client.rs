//! One request to the frontend: limited in bytes and time, never redirected, and without secrets in its log
//! lines.
//!
//! A 2xx counts as soon as its head arrives, because the receiver then has the event. The exception is an
//! HTML page: a protected deployment may answer with its login page, and the receiver does not have the
//! event.

use std::{path::Path, time::Duration};

use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue, LOCATION},
    redirect::Policy,
};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;
use url::Url;

use super::sign;
use crate::{config::WebhookTarget, telemetry::traces::WebhookTrace};
use foundation::tls;
use storage::DueDelivery;

/// The time limit of a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit of a check, which has five seconds in all.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);

/// The largest request that the receiver's platform accepts.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of an answer is read, and for how long, to recognise a page.
const PAGE_BYTES: usize = 1024;
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// How many characters of a redirect's target are shown.
const SHOWN_CHARS_MAX: usize = 100;

/// Sends webhooks to one frontend.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    target: WebhookTarget,
    /// `X-Webhook-Secret`
    secret: Option<HeaderValue>,
}

/// Why the sender could not be created.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    #[error("{0}")]
    ExtraCa(String),
    #[error("the HTTPS client cannot be set up")]
    Client(#[source] reqwest::Error),
    #[error("WEBHOOK_SECRET cannot be sent in a header")]
    Secret(#[from] InvalidHeaderValue),
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    Delivered,
    Gone,
    TooLarge,
    /// Send it again, for this reason.
    Refused(String),
    /// Send it again, for this reason. The receiver may still process the first request.
    Unanswered(String),
}

impl Sent {
    /// The result and the kind of the failure, as metrics and traces name them.
    pub(super) const fn as_words(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Delivered => ("delivered", None),
            Self::Gone => ("gone", Some("410")),
            Self::TooLarge => ("too_large", Some("413")),
            Self::Refused(_) => ("refused", Some("refused")),
            Self::Unanswered(_) => ("unanswered", Some("unanswered")),
        }
    }
}

impl Sender {
    /// Creates the HTTP client, and reads `EXTRA_CA_FILE`.
    ///
    /// # Errors
    ///
    /// [`SenderError`] if the file, the client or the secret is unusable.
    pub fn new(
        target: WebhookTarget,
        timeout: Duration,
        extra_ca_file: Option<&Path>,
    ) -> Result<Self, SenderError> {
        let mut secret =
            target.secret.as_ref().map(|secret| secret.expose_secret().parse::<HeaderValue>()).transpose()?;
        if let Some(secret) = &mut secret {
            secret.set_sensitive(true);
        }
        let builder = tls::client_builder(extra_ca_file)
            .map_err(SenderError::ExtraCa)?
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout);
        let client = builder.build().map_err(SenderError::Client)?;
        Ok(Self { client, target, secret })
    }

    /// Posts the body of an event.
    pub async fn post(
        &self,
        due: &DueDelivery,
        route: &str,
        body: Vec<u8>,
        timestamp: i64,
        trace: &WebhookTrace,
    ) -> Sent {
        if body.len() > BODY_BYTES_MAX {
            return Sent::TooLarge;
        }
        let id = sign::id(&due.run, due.generation, due.event);
        self.send(&id, self.url(&format!("{}/{route}", due.run)), body, timestamp, Some(trace)).await
    }

    /// The receiver's host.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        let (_, rest) = self.target.base_url.split_once("://")?;
        let end = if rest.starts_with('[') {
            rest.find(']')? + 1
        } else {
            rest.find(['/', ':']).unwrap_or(rest.len())
        };
        rest.get(..end).filter(|host| !host.is_empty())
    }

    /// Asks the frontend to create a run's row before its first event.
    pub async fn init(&self, due: &DueDelivery, body: Vec<u8>, timestamp: i64) -> Sent {
        let id = format!("{}.init", due.run);
        self.send(&id, self.url("init"), body, timestamp, None).await
    }

    /// Whether the receiver answers at all: the status of a HEAD of its own page. No event is sent.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn probe(&self) -> Result<u16, String> {
        let gateway = self.target.headers.iter().cloned().collect::<HeaderMap>();
        let request = self.client.head(&self.target.base_url).headers(gateway).timeout(PROBE_TIMEOUT);
        match request.send().await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) if error.is_connect() => Err("no connection".to_owned()),
            Err(error) if error.is_timeout() => Err("no answer in time".to_owned()),
            Err(_) => Err("the connection broke".to_owned()),
        }
    }

    async fn send(
        &self,
        id: &str,
        url: String,
        body: Vec<u8>,
        timestamp: i64,
        trace: Option<&WebhookTrace>,
    ) -> Sent {
        let Ok(mut headers) = self.headers(id, timestamp, &body) else {
            return Sent::Refused("the headers cannot be written".to_owned());
        };
        if let Some(trace) = trace {
            trace.write(&mut headers);
        }
        let request = self.client.post(url).headers(headers).body(body);
        match request.send().await {
            Ok(response) => outcome(response).await,
            Err(error) if error.is_connect() => Sent::Refused("no connection".to_owned()),
            Err(error) if error.is_timeout() => Sent::Unanswered("no answer in time".to_owned()),
            Err(_) => Sent::Unanswered("the connection broke".to_owned()),
        }
    }

    fn url(&self, route: &str) -> String {
        let url = format!("{}/api/pipeline/{route}", self.target.base_url);
        match &self.target.query {
            Some(query) => format!("{url}?{}", query.expose_secret()),
            None => url,
        }
    }

    fn headers(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<HeaderMap, InvalidHeaderValue> {
        // Add the configured headers first, so that they cannot override those that identify the event.
        let mut headers: HeaderMap = self.target.headers.iter().cloned().collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", id.parse()?);
        headers.insert("webhook-timestamp", timestamp.into());
        if let Some(signatures) = sign::signatures(&self.target.signing_keys, id, timestamp, body) {
            headers.insert("webhook-signature", signatures.parse()?);
        }
        if let Some(secret) = &self.secret {
            headers.insert("x-webhook-secret", secret.clone());
        }
        Ok(headers)
    }
}

/// Classifies a response as a delivery or a refusal.
async fn outcome(response: Response) -> Sent {
    let status = response.status();
    match status {
        StatusCode::GONE => Sent::Gone,
        // A repetition would be as large.
        StatusCode::PAYLOAD_TOO_LARGE => Sent::TooLarge,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if is_html(&response) => Sent::Refused(format!(
            "HTTP {} and a page: a protected deployment; set VERCEL_AUTOMATION_BYPASS_SECRET or WEBHOOK_HEADERS",
            status.as_u16()
        )),
        _ if status.is_redirection() => Sent::Refused(format!(
            "HTTP {}, a redirection{}, is not followed; it may lead to a login page; otherwise set FRONTEND_WEBHOOK_URL to its target",
            status.as_u16(),
            target(&response).map(|target| format!(" to {target}")).unwrap_or_default()
        )),
        _ if status.is_success() && is_html(&response) && begins_a_page(response).await => {
            Sent::Refused(format!(
                "HTTP {} and a page instead of an answer: a protected deployment, or no receiver; \
             set VERCEL_AUTOMATION_BYPASS_SECRET or WEBHOOK_HEADERS",
                status.as_u16()
            ))
        }
        _ if status.is_success() => Sent::Delivered,
        _ => Sent::Refused(format!("HTTP {}", status.as_u16())),
    }
}

fn is_html(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// Whether a body begins like an HTML page. A body that is too slow does not.
async fn begins_a_page(mut response: Response) -> bool {
    let mut start = Vec::new();
    let read = async {
        while start.len() < PAGE_BYTES
            && let Ok(Some(piece)) = response.chunk().await
        {
            start.extend(piece.iter().take(PAGE_BYTES));
        }
    };
    // The bytes that have arrived by then are enough.
    let _ = timeout(PAGE_TIMEOUT, read).await;
    let text = String::from_utf8_lossy(&start).to_ascii_lowercase();
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    text.starts_with("<!doctype html") || text.starts_with("<html")
}

/// The origin of a redirect's target. The rest may hold a secret.
fn target(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let origin = response.url().join(location).as_ref().map(Url::origin).ok()?;
    Some(origin.ascii_serialization().chars().take(SHOWN_CHARS_MAX).collect())
}
