//! Requests to the service under test.

use std::{path::Path, time::Duration};

use foundation::tls;
use reqwest::{Client, Method, header::HeaderValue, redirect::Policy};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::json_body;

/// The header that every request of a golden path has. The service believes those who may operate it, and counts the request for
/// no baseline.
pub const GOLDEN_PATH_HEADER: &str = "x-innovation-golden-path";

/// The limit of one request. The service's own is 30 s, and a healthy answer takes milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of an answer: a run with its outputs has some hundred kilobytes.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why a client cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("the address must be http or https, with a host, as in https://app.example.com")]
    Address,
    #[error("the key must be printable ASCII without spaces")]
    Key,
    #[error("the HTTPS client cannot be set up: {0}")]
    Tls(String),
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// JSON, or the text as it is.
    pub(super) body: Value,
}

/// A client of one service.
#[derive(Debug, Clone)]
pub struct SmokeClient {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

impl SmokeClient {
    /// # Errors
    ///
    /// [`ClientError`] says which argument is unusable.
    pub fn new(
        base: &str,
        key: Option<&SecretString>,
        extra_ca_file: Option<&Path>,
    ) -> Result<Self, ClientError> {
        let base = Url::parse(base).map_err(|_| ClientError::Address)?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() || base.cannot_be_a_base() {
            return Err(ClientError::Address);
        }
        let authorization = match key {
            None => None,
            Some(key) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
                    .map_err(|_| ClientError::Key)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        // A wrong CA file must not fail a test that needs none.
        let extra_ca_file = extra_ca_file.filter(|_| base.scheme() == "https");
        let builder = tls::client_builder(extra_ca_file).map_err(ClientError::Tls)?;
        let builder = builder.redirect(Policy::none()).timeout(REQUEST_TIMEOUT);
        let client = builder.build().map_err(|_| ClientError::Tls("no client".to_owned()))?;
        Ok(Self { client, base, authorization })
    }

    /// The service, for people. An address may hold a password.
    #[must_use]
    pub fn place(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        match self.base.port() {
            Some(port) => format!("{}://{host}:{port}", self.base.scheme()),
            None => format!("{}://{host}", self.base.scheme()),
        }
    }

    /// Asks once. The error is a sentence without the address.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = self.client.request(method, url).header(GOLDEN_PATH_HEADER, "1");
        if let Some(key) = &self.authorization {
            request = request.header(reqwest::header::AUTHORIZATION, key.clone());
        }
        if let Some(body) = body {
            request =
                request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let answered = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok(Answer { status, body: json_body::read(response, BODY_BYTES_MAX).await? })
        };
        answered.await.map_err(|error: reqwest::Error| match () {
            () if error.is_connect() => "no connection".to_owned(),
            () if error.is_timeout() => format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()),
            () => "the connection broke".to_owned(),
        })
    }
}
