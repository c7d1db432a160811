//! Downloads a document with limits of bytes and time, only from allowed hosts and public addresses. The
//! client connects to the very address that was checked.
//!
//! After a temporary fault (a missing blob, 429, 5xx, a broken connection), the download is retried for
//! `DOCUMENT_RETRY_SECONDS`. Every other fault ends it at once.

mod coding;
mod fault;
mod redirect;
mod resolve;
mod token;
mod transfer;

use std::{sync::Arc, time::Duration};

use pipeline::document::DocumentError;
use reqwest::{Client, redirect::Policy};
use tokio::{sync::Semaphore, time::sleep};
use url::Url;

use self::{fault::Fault, resolve::PublicResolver, token::Token};
use super::address::{self, AddressError};
use crate::{
    config::DocumentsConfig,
    telemetry::{
        metrics::{self, Operation},
        traces,
    },
};
use foundation::{
    clock::timer_now,
    resilience::{Backoff, Jitter},
    tls,
};

/// How many transfers run at once. This bounds the temporary files to 1.6 GB, whatever the blob stores send.
/// A download that waits for its next attempt holds no place.
const TRANSFERS_MAX: usize = 64;

/// The waits between attempts, of which half is random. The first is short, because a fresh upload is readable within a second or two.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(16));

/// The time limits of one transfer.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte sent to the last received, redirects included.
    pub total: Duration,
    /// For a connection, and between two received pieces.
    pub idle: Duration,
}

impl Default for Deadlines {
    /// 30 s for at most 25 MiB needs 7 Mbit/s. A blob store that is silent for 10 s is down.
    fn default() -> Self {
        Self { total: Duration::from_secs(30), idle: Duration::from_secs(10) }
    }
}

/// The destination of a document's bytes.
pub trait Sink: Send {
    /// Takes the next bytes.
    fn write(&mut self, piece: &[u8]) -> impl Future<Output = std::io::Result<()>> + Send;

    /// The last bytes have come.
    fn finish(&mut self) -> impl Future<Output = std::io::Result<()>> + Send;

    /// Drops the bytes of an incomplete attempt.
    fn restart(&mut self) -> impl Future<Output = std::io::Result<()>> + Send;
}

impl Sink for Vec<u8> {
    async fn write(&mut self, piece: &[u8]) -> std::io::Result<()> {
        self.extend_from_slice(piece);
        Ok(())
    }

    async fn finish(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    async fn restart(&mut self) -> std::io::Result<()> {
        self.clear();
        Ok(())
    }
}

/// The metadata that the server sends with a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Download {
    /// The name in `Content-Disposition`, decoded and safe to show.
    pub name: Option<String>,
}

/// Downloads documents. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client,
    config: DocumentsConfig,
    deadlines: Deadlines,
    token: Option<Token>,
    transfers: Arc<Semaphore>,
}

/// Why the fetcher could not be created.
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
    /// Creates the HTTPS client, and reads `EXTRA_CA_FILE`.
    ///
    /// # Errors
    ///
    /// [`FetcherError`] if the file, the client or the token is unusable.
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
    ///
    /// # Errors
    ///
    /// [`AddressError`] names the rule that the address breaks.
    pub fn check(&self, text: &str) -> Result<Url, AddressError> {
        address::check(text, &self.config)
    }

    /// Downloads a document into memory. [`Fetcher::check`] must have accepted its address.
    ///
    /// # Errors
    ///
    /// As [`Fetcher::fetch_into`].
    pub async fn fetch(&self, url: &Url) -> Result<Vec<u8>, DocumentError> {
        let mut bytes = Vec::new();
        self.fetch_into(url, &mut bytes).await?;
        Ok(bytes)
    }

    /// Downloads a document. [`Fetcher::check`] must have accepted its address. Dropping the future ends the
    /// download.
    ///
    /// # Errors
    ///
    /// [`DocumentError::TooLarge`] beyond the limit, compressed or not. [`DocumentError::Unavailable`] for
    /// every other fault.
    pub async fn fetch_into(&self, url: &Url, into: &mut impl Sink) -> Result<Download, DocumentError> {
        let begun = timer_now();
        let mut attempts = 0_u32;
        let fetched = self.fetch_counted(url, into, &mut attempts).await;
        let (is_ok, took) = (fetched.is_ok(), begun.elapsed());
        metrics::document_fetched(is_ok, took);
        metrics::call_ended(Operation::DocumentFetch, attempts, is_ok);
        traces::document_fetched(is_ok, attempts, took);
        fetched
    }

    async fn fetch_counted(
        &self,
        url: &Url,
        into: &mut impl Sink,
        attempts: &mut u32,
    ) -> Result<Download, DocumentError> {
        let begun = timer_now();
        loop {
            *attempts += 1;
            let (error, after) = match self.attempt(url, into).await {
                Ok(download) => return Ok(download),
                Err(Fault::Final(error)) => return Err(error),
                Err(Fault::Passing { reason, after }) => (reason, after),
            };
            // Do not ask earlier than the server's own time.
            let wait = Jitter::Random.spread(BACKOFF.wait(*attempts));
            let wait = after.map_or(wait, |after| after.max(wait));
            if begun.elapsed().saturating_add(wait) > self.config.retry_for {
                return Err(given_up(&error, *attempts, begun.elapsed(), after));
            }
            tracing::info!(
                event = "document_retry",
                attempts = *attempts,
                reason = error,
                ?wait,
                "the document could not be downloaded; will retry"
            );
            sleep(wait).await;
            into.restart().await.map_err(|error| fault::not_kept(&error))?;
        }
    }

    async fn attempt(&self, url: &Url, into: &mut impl Sink) -> Result<Download, Fault> {
        // The semaphore is never closed.
        let _permit = self.transfers.acquire().await;
        // One deadline covers all redirects and the body. reqwest's own timeout counts per request.
        let total = self.deadlines.total;
        tokio::time::timeout(total, self.transfer(url, into))
            .await
            .unwrap_or_else(|_| Err(Fault::passing(format!("not complete after {total:?}"))))
    }
}

/// The last fault, with the number of attempts.
fn given_up(reason: &str, attempts: u32, took: Duration, after: Option<Duration>) -> DocumentError {
    let mut sentence = reason.to_owned();
    if attempts > 1 {
        sentence += &format!("; {attempts} attempts in {} s failed", took.as_secs());
    }
    if let Some(after) = after {
        sentence += &format!("; the server asks for a wait of {} s", after.as_secs());
    }
    DocumentError::Unavailable(sentence)
}
