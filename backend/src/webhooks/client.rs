//! One request to the frontend: bounded in bytes and time, never redirected, with no secret in what is said of it.

use std::{path::Path, time::Duration};

use pipeline::run::RunId;
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue},
    redirect::Policy,
};
use secrecy::ExposeSecret as _;

use super::sign;
use crate::{config::WebhookTarget, storage::outbox::Due, tls};

/// For a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the platform that receives it takes in one request.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Sends to one frontend.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    target: WebhookTarget,
    /// `X-Webhook-Secret`
    secret: Option<HeaderValue>,
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    #[error("{0}")]
    ExtraCa(String),
    #[error("the HTTPS client cannot be set up")]
    Client(#[source] reqwest::Error),
    #[error("WEBHOOK_SECRET cannot be sent in a header")]
    Secret(#[from] InvalidHeaderValue),
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    Delivered,
    Gone,
    TooLarge,
    /// Why it is to be sent again.
    Refused(String),
}

impl Sender {
    /// Sets up the client; reads `EXTRA_CA_FILE`.
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

    /// Posts a body for an event.
    pub async fn post(&self, due: &Due, route: &str, body: Vec<u8>, timestamp: i64) -> Sent {
        if body.len() > BODY_BYTES_MAX {
            return Sent::TooLarge;
        }
        let id = sign::id(&due.run, due.generation, due.event);
        let Ok(headers) = self.headers(&id, timestamp, &body) else {
            return Sent::Refused("the headers cannot be written".to_owned());
        };
        let request = self.client.post(self.url(&due.run, route)).headers(headers).body(body);
        match request.send().await.map(|response| response.status()) {
            Ok(StatusCode::GONE) => Sent::Gone,
            Ok(status) if status.is_success() => Sent::Delivered,
            Ok(status) if status.is_redirection() => {
                Sent::Refused(format!("HTTP {}, a redirection, is not followed", status.as_u16()))
            }
            Ok(status) => Sent::Refused(format!("HTTP {}", status.as_u16())),
            Err(error) if error.is_timeout() => Sent::Refused("no answer in time".to_owned()),
            Err(error) if error.is_connect() => Sent::Refused("no connection".to_owned()),
            Err(_) => Sent::Refused("the connection broke".to_owned()),
        }
    }

    fn url(&self, run: &RunId, route: &str) -> String {
        format!("{}/api/pipeline/{run}/{route}", self.target.base_url)
    }

    fn headers(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
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
