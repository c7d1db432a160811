//! Asks the endpoint with a key that is invalid on purpose: whether it answers, without a call that anybody pays.

use std::{path::Path, time::Duration};

use foundation::{clock::timer_now, tls};
use reqwest::{Client, header::HeaderMap};
use url::Url;

use super::{
    connections::{builder, is_loopback},
    openrouter::OpenRouterError,
};

/// The limit of one question. A check has five seconds.
const TIMEOUT: Duration = Duration::from_secs(4);

/// No endpoint gives out such a key.
const INVALID_KEY: &str = "invalid-on-purpose";

/// The question to one endpoint.
#[derive(Debug, Clone)]
pub struct EndpointProbe {
    client: Client,
    /// It describes the key that asks, which costs nothing and tells nothing about another.
    url: Url,
}

/// The endpoint's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointAnswer {
    pub status: u16,
    pub elapsed: Duration,
}

impl EndpointProbe {
    /// Opens no connection yet.
    ///
    /// # Errors
    ///
    /// [`OpenRouterError`] names the setting that is unusable.
    pub fn new(base_url: &str, extra_ca_file: Option<&Path>) -> Result<Self, OpenRouterError> {
        let url = Url::parse(&format!("{}/key", base_url.trim().trim_end_matches('/')))
            .map_err(|_| OpenRouterError::BaseUrl)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(OpenRouterError::BaseUrl);
        }
        tls::install_crypto();
        let mut tls = tls::client_config(extra_ca_file).map_err(OpenRouterError::Tls)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // It goes the same way as the calls: through the system's proxies, if the endpoint is elsewhere.
        let builder = builder(&HeaderMap::new(), is_loopback(&url), tls).http1_only().timeout(TIMEOUT);
        Ok(Self { client: builder.build().map_err(OpenRouterError::Http)?, url })
    }

    /// The endpoint's host, for people. An address may hold a key.
    #[must_use]
    pub fn place(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Asks once.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn probe(&self) -> Result<EndpointAnswer, String> {
        let begun = timer_now();
        match self.client.get(self.url.clone()).bearer_auth(INVALID_KEY).send().await {
            Ok(response) => {
                Ok(EndpointAnswer { status: response.status().as_u16(), elapsed: begun.elapsed() })
            }
            Err(error) if error.is_timeout() => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
            Err(error) if error.is_connect() => Err("no connection".to_owned()),
            Err(_) => Err("the connection broke".to_owned()),
        }
    }
}
