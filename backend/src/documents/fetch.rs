//! Downloads a document: bounded in bytes and time, only from allowed hosts, only from public addresses,
//! and connected to the very address that was checked.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::StreamExt;
use pipeline::document::DocumentError;
use reqwest::{
    Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::LOCATION,
    redirect::Policy,
};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use url::Url;

use super::address::{self, AddressError};
use crate::{config::DocumentsConfig, tls};

/// Blob stores redirect once, if at all.
const REDIRECTS_MAX: usize = 3;

/// How long a download may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte sent to the last received, redirects included.
    pub total: Duration,
    /// Between two received pieces, and for a connection to be made.
    pub idle: Duration,
}

impl Default for Deadlines {
    /// 30 s for at most 25 MiB is 7 Mbit/s; a blob store that is silent for 10 s has gone.
    fn default() -> Self {
        Self { total: Duration::from_secs(30), idle: Duration::from_secs(10) }
    }
}

/// Fetches documents. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client,
    config: DocumentsConfig,
    deadlines: Deadlines,
}

/// Why there is no fetcher.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    #[error("{0}")]
    ExtraCa(String),
    #[error("the HTTPS client cannot be set up")]
    Client(#[source] reqwest::Error),
}

impl Fetcher {
    /// Sets up the HTTPS client; reads `EXTRA_CA_FILE`.
    pub fn new(config: DocumentsConfig, deadlines: Deadlines) -> Result<Self, FetcherError> {
        let builder = tls::client_builder(config.extra_ca_file.as_deref())
            .map_err(FetcherError::ExtraCa)?
            .https_only(true)
            .redirect(Policy::none())
            .connect_timeout(deadlines.idle)
            .read_timeout(deadlines.idle)
            .dns_resolver(Arc::new(PublicResolver { allow_private: config.allow_private_network }));
        let client = builder.build().map_err(FetcherError::Client)?;
        Ok(Self { client, config, deadlines })
    }

    /// Checks an address without connecting to it.
    pub fn check(&self, text: &str) -> Result<Url, AddressError> {
        address::check(text, &self.config)
    }

    /// Downloads the document at an address that [`Fetcher::check`] accepted, into memory.
    pub async fn fetch(&self, url: &Url) -> Result<Vec<u8>, DocumentError> {
        let mut bytes = Vec::new();
        self.fetch_into(url, &mut bytes).await?;
        Ok(bytes)
    }

    /// Downloads the document at an address that [`Fetcher::check`] accepted, piece by piece.
    pub async fn fetch_into(
        &self,
        url: &Url,
        into: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), DocumentError> {
        // One deadline for all redirects and the body together; reqwest's own counts per request.
        let total = self.deadlines.total;
        tokio::time::timeout(total, self.fetch_within(url.clone(), into))
            .await
            .unwrap_or_else(|_| Err(unavailable(format!("not complete after {total:?}"))))
    }

    async fn fetch_within(
        &self,
        mut url: Url,
        into: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), DocumentError> {
        for _ in 0..=REDIRECTS_MAX {
            address::check_url(&url, &self.config).map_err(|error| unavailable(error.to_string()))?;
            let response =
                self.client.get(url.clone()).send().await.map_err(|error| self.describe(&error))?;
            let status = response.status();
            if !status.is_redirection() {
                return self.read(status, response, into).await;
            }
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            url = target.and_then(|target| url.join(target).ok()).ok_or_else(|| {
                unavailable(format!("the server answered {status} without a usable address"))
            })?;
        }
        Err(unavailable(format!("more than {REDIRECTS_MAX} redirects")))
    }

    async fn read(
        &self,
        status: StatusCode,
        response: Response,
        into: &mut (impl AsyncWrite + Unpin + Send),
    ) -> Result<(), DocumentError> {
        if !status.is_success() {
            return Err(unavailable(format!("the server answered {status}")));
        }
        let limit = self.config.bytes_max;
        let too_large = || DocumentError::TooLarge(format!("more than {limit} bytes"));
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut length = 0;
        let mut stream = response.bytes_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| self.describe(&error))?;
            length += piece.len();
            if length > limit {
                return Err(too_large());
            }
            into.write_all(&piece).await.map_err(|error| not_kept(&error))?;
        }
        into.flush().await.map_err(|error| not_kept(&error))
    }

    /// A transport error in words; the address, which may carry a signature, stays out.
    fn describe(&self, error: &reqwest::Error) -> DocumentError {
        let mut source: Option<&dyn std::error::Error> = Some(error);
        while let Some(current) = source {
            if let Some(refused) = current.downcast_ref::<AddressError>() {
                return unavailable(refused.to_string());
            }
            source = current.source();
        }
        unavailable(if error.is_timeout() {
            format!("nothing came for {:?}", self.deadlines.idle)
        } else if error.is_connect() {
            "no secure connection to the server could be made".to_owned()
        } else {
            "the connection broke off".to_owned()
        })
    }
}

fn not_kept(error: &std::io::Error) -> DocumentError {
    unavailable(format!("it could not be kept here: {error}"))
}

fn unavailable(reason: String) -> DocumentError {
    DocumentError::Unavailable(reason)
}

/// Resolves names and keeps only what may be connected to, so that no second look-up can differ.
#[derive(Debug)]
struct PublicResolver {
    allow_private: bool,
}

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|found| allow_private || address::is_public(found.ip()))
                .collect();
            if found.is_empty() {
                return Err(AddressError::NotPublic(name.as_str().to_owned()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
