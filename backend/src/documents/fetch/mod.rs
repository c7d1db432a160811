//! Downloads a document: bounded in bytes and time, only from allowed hosts, only from public addresses,
//! and connected to the very address that was checked.
//!
//! A fault that passes (a blob that is not there yet, 429, 5xx, a connection that breaks) is met by asking again for
//! `DOCUMENT_RETRY_SECONDS`. Every other fault ends the download at once.

mod coding;
mod fault;
mod redirect;
mod resolve;
mod token;
mod transfer;

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use pipeline::document::DocumentError;
use reqwest::{Client, redirect::Policy};
use tokio::{
    io::AsyncWrite,
    sync::Semaphore,
    time::{Instant, sleep},
};
use url::Url;

use self::{fault::Fault, resolve::PublicResolver, token::Token};
use super::address::{self, AddressError};
use crate::config::DocumentsConfig;
use foundation::tls;

/// How many transfers are under way at once: at most 1.6 GB of temporary files, whatever the blob stores do. A download
/// that waits for its next attempt holds no place.
const TRANSFERS_MAX: usize = 64;

/// The waits between attempts: the first, and the longest. An upload reaches a store's edge within a second or two.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// How long one transfer may take.
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

/// Where a document's bytes go.
pub trait Sink: AsyncWrite + Unpin + Send {
    /// Drops what an attempt has written that did not come to its end.
    fn restart(&mut self) -> impl Future<Output = std::io::Result<()>> + Send;
}

impl Sink for Vec<u8> {
    async fn restart(&mut self) -> std::io::Result<()> {
        self.clear();
        Ok(())
    }
}

/// The server's words on a document, besides its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Download {
    /// The name in `Content-Disposition`, decoded and safe to show.
    pub name: Option<String>,
}

/// Fetches documents. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client,
    config: DocumentsConfig,
    deadlines: Deadlines,
    token: Option<Token>,
    transfers: Arc<Semaphore>,
}

/// Why there is no fetcher.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    #[error("{0}")]
    ExtraCa(String),
    #[error("the HTTPS client cannot be set up")]
    Client(#[source] reqwest::Error),
    #[error("BLOB_READ_WRITE_TOKEN cannot be sent in a header")]
    Token(#[from] reqwest::header::InvalidHeaderValue),
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
        let token = config.token.as_ref().map(|token| Token::new(token, &config.token_hosts)).transpose()?;
        let transfers = Arc::new(Semaphore::new(TRANSFERS_MAX));
        Ok(Self { client, config, deadlines, token, transfers })
    }

    /// Checks an address without connecting to it.
    pub fn check(&self, text: &str) -> Result<Url, AddressError> {
        address::check(text, &self.config)
    }

    /// Downloads the document at an address that [`Fetcher::check`] accepted, into memory.
    ///
    /// # Errors
    ///
    /// As [`Fetcher::fetch_into`].
    pub async fn fetch(&self, url: &Url) -> Result<Vec<u8>, DocumentError> {
        let mut bytes = Vec::new();
        self.fetch_into(url, &mut bytes).await?;
        Ok(bytes)
    }

    /// Downloads the document at an address that [`Fetcher::check`] accepted.
    ///
    /// Dropping the future ends the download.
    ///
    /// # Errors
    ///
    /// [`DocumentError::TooLarge`] beyond the limit, decoded or not; [`DocumentError::Unavailable`] for everything else.
    pub async fn fetch_into(&self, url: &Url, into: &mut impl Sink) -> Result<Download, DocumentError> {
        let begun = Instant::now();
        let waits = ExponentialBuilder::default()
            .with_min_delay(BACKOFF.0)
            .with_max_delay(BACKOFF.1)
            .without_max_times()
            .with_jitter()
            .build();
        let mut attempts = 0_u32;
        for wait in waits {
            attempts += 1;
            let (error, after) = match self.attempt(url, into).await {
                Ok(download) => return Ok(download),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing { reason, after }) => (reason, after),
            };
            // A server that names a time is asked at that time, and not before.
            let wait = after.map_or(wait, |after| after.max(wait));
            if begun.elapsed().saturating_add(wait) > self.config.retry_for {
                return Err(given_up(&error, attempts, begun.elapsed(), after));
            }
            tracing::info!(
                event = "document_retry",
                attempts,
                reason = error,
                ?wait,
                "the document will be asked for again"
            );
            sleep(wait).await;
            into.restart().await.map_err(|error| fault::not_kept(&error))?;
        }
        // The waits have no end.
        Err(DocumentError::Unavailable("no attempt was made".to_owned()))
    }

    async fn attempt(&self, url: &Url, into: &mut impl Sink) -> Result<Download, Fault> {
        // The semaphore is never closed.
        let _permit = self.transfers.acquire().await;
        // One deadline for all redirects and the body together; reqwest's own counts per request.
        let total = self.deadlines.total;
        tokio::time::timeout(total, self.transfer(url, into))
            .await
            .unwrap_or_else(|_| Err(Fault::passing(format!("not complete after {total:?}"))))
    }
}

/// The last fault, and what was done about it.
fn given_up(reason: &str, attempts: u32, took: Duration, after: Option<Duration>) -> DocumentError {
    let mut sentence = reason.to_owned();
    if attempts > 1 {
        sentence += &format!("; it was asked for {attempts} times in {} s", took.as_secs());
    }
    if let Some(after) = after {
        sentence += &format!("; the server wants to be asked again after {} s", after.as_secs());
    }
    DocumentError::Unavailable(sentence)
}
