//! Sends requests to a bucket, each with a time limit. Errors say whether a write may have happened.

use std::{error::Error as _, fmt, io, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload,
    RetryConfig, UpdateVersion,
    aws::AmazonS3Builder,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind},
    path::Path,
};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

use crate::files::backend::{
    file_backend::{ETag, Stored, cas_conflict},
    local_fs::FILE_BYTES_MAX,
};
use crate::files::config::BucketConfig;

/// How long one request may take, its retries included. It is less than one attempt at a write, which sends
/// several requests.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How long a whole listing may take, with a thousand names a page.
pub(super) const LISTING_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request for a large file may take: 25 MiB over a line of 10 Mbit/s.
const LARGE_TIMEOUT: Duration = Duration::from_secs(25);

/// How many requests run at once. More would only wait for the same bucket, and each holds a thread.
const REQUESTS_MAX: usize = 64;

/// How many requests for large files run at once, beside the others: four share a line well, and hold 100 MiB.
const LARGE_REQUESTS_MAX: usize = 4;

/// How many reads one caller sends at once.
const READS_AT_ONCE: usize = 16;

/// How many characters of an error's text are kept. Some servers answer with a whole page.
const REASON_CHARS_MAX: usize = 200;

/// A file in a listing.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) version: Option<String>,
}

/// One bucket, below one prefix.
#[derive(Debug)]
pub(super) struct Client {
    store: Box<dyn ObjectStore>,
    /// The same bucket for large files: the HTTP client gives up on an upload that takes longer than its limit.
    large: Box<dyn ObjectStore>,
    prefix: Path,
    permits: Semaphore,
    large_permits: Semaphore,
    /// For people: `s3://bucket/prefix/`.
    root: String,
}

/// Whether an unanswered request may have changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Gives `object_store` the HTTP client of this program: rustls with ring, no proxy.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

impl Client {
    pub(super) fn new(config: &BucketConfig) -> io::Result<Self> {
        Ok(Self {
            store: store(config, REQUEST_TIMEOUT)?,
            large: store(config, LARGE_TIMEOUT)?,
            prefix: Path::from(config.prefix.as_str()),
            permits: Semaphore::new(REQUESTS_MAX),
            large_permits: Semaphore::new(LARGE_REQUESTS_MAX),
            root: config.place(),
        })
    }

    /// A file's full name, for people.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}{name}", self.root)
    }

    /// Names consist of run ids and internal names, so nothing needs escaping.
    fn path(&self, name: &str) -> Path {
        name.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// An emptied file counts as absent. See [`Client::conditional_delete`].
    pub(super) async fn read(&self, name: &str) -> io::Result<Option<Stored>> {
        Ok(self.read_even_empty(name).await?.filter(|stored| !stored.bytes.is_empty()))
    }

    /// As [`Client::read`], with the time that a large file takes.
    pub(super) async fn read_large(&self, name: &str) -> io::Result<Option<Stored>> {
        let read = bounded_by(LARGE_TIMEOUT, &self.large_permits, Access::Read, self.get(&*self.large, name));
        let read = understood(read.await?)?;
        Ok(read.filter(|stored| !stored.bytes.is_empty()))
    }

    /// Whether a file is there, without its content. An emptied file counts as absent.
    pub(super) async fn exists(&self, name: &str) -> io::Result<bool> {
        let path = self.path(name);
        let asking = async {
            match self.store.head(&path).await {
                Err(Error::NotFound { .. }) => Ok(false),
                head => Ok(head?.size > 0),
            }
        };
        self.bounded(Access::Read, asking).await
    }

    pub(super) async fn read_all(&self, names: &[String]) -> Vec<io::Result<Option<Stored>>> {
        stream::iter(names).map(|name| self.read(name)).buffered(READS_AT_ONCE).collect().await
    }

    async fn read_even_empty(&self, name: &str) -> io::Result<Option<Stored>> {
        understood(self.bounded(Access::Read, self.get(&*self.store, name)).await?)
    }

    async fn get(&self, store: &dyn ObjectStore, name: &str) -> object_store::Result<Option<Got>> {
        let got = match store.get_opts(&self.path(name), GetOptions::default()).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            got => got?,
        };
        let (size, version) = (got.meta.size, got.meta.e_tag.clone());
        let bytes = if size > FILE_BYTES_MAX as u64 { None } else { Some(got.bytes().await?.into()) };
        Ok(Some(Got { size, version, bytes }))
    }

    /// Creates a file, or fills an emptied one. `AlreadyExists` if the file has content.
    pub(super) async fn create(&self, name: &str, bytes: &[u8]) -> io::Result<ETag> {
        match self.put(name, bytes, PutMode::Create).await {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                match self.read_even_empty(name).await? {
                    Some(emptied) if emptied.bytes.is_empty() => {
                        self.replace_matching(name, bytes, &emptied.version).await.map_err(|other| {
                            if other.kind() == io::ErrorKind::ResourceBusy { error } else { other }
                        })
                    }
                    _ => Err(error),
                }
            }
            created => created,
        }
    }

    pub(super) async fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(name, bytes, PutMode::Overwrite).await.map(drop)
    }

    /// As [`Client::replace`], with the time that a large file takes.
    pub(super) async fn replace_large(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let payload = PutPayload::from(bytes.to_vec());
        let putting = async { self.large.put_opts(&path, payload, PutMode::Overwrite.into()).await };
        bounded_by(LARGE_TIMEOUT, &self.large_permits, Access::Write, putting).await.map(drop)
    }

    /// Writes a file that must be unchanged since it was read. `ResourceBusy` if it has changed.
    pub(super) async fn replace_matching(&self, name: &str, bytes: &[u8], etag: &ETag) -> io::Result<ETag> {
        let version = UpdateVersion { e_tag: etag.0.clone(), version: None };
        self.put(name, bytes, PutMode::Update(version)).await
    }

    /// Empties a file if it is unchanged since it was read. S3 has no conditional deletion, and a plain one
    /// could remove a newer version by another process.
    pub(super) async fn conditional_delete(&self, name: &str, etag: &ETag) -> io::Result<()> {
        self.replace_matching(name, b"", etag).await.map(drop)
    }

    async fn put(&self, name: &str, bytes: &[u8], mode: PutMode) -> io::Result<ETag> {
        let path = self.path(name);
        let payload = PutPayload::from(bytes.to_vec());
        let putting = async { self.store.put_opts(&path, payload, mode.into()).await };
        self.bounded(Access::Write, putting).await.map(|put| ETag(put.e_tag))
    }

    pub(super) async fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        let removing = async {
            match self.store.delete(&path).await {
                Err(Error::NotFound { .. }) => Ok(()),
                removed => removed,
            }
        };
        self.bounded(Access::Write, removing).await
    }

    /// Lists the files and folders directly in a folder, over all pages.
    pub(super) async fn list(&self, folder: &str, limit: Duration) -> io::Result<(Vec<Listed>, Vec<String>)> {
        let path = self.path(folder);
        let listed = self.within(limit, Access::Read, self.store.list_with_delimiter(Some(&path))).await?;
        let files = listed.objects.into_iter().filter_map(|object| {
            let name = object.location.filename()?.to_owned();
            Some(Listed { name, version: object.e_tag })
        });
        let folders = listed.common_prefixes.iter().filter_map(|prefix| prefix.filename().map(str::to_owned));
        Ok((files.collect(), folders.collect()))
    }

    /// Lists the first files in a folder at any depth, in byte order, over as many pages as needed.
    pub(super) async fn first(&self, folder: &str, limit: usize) -> io::Result<Vec<String>> {
        let path = self.path(folder);
        let listing = self.store.list(Some(&path)).take(limit).try_collect::<Vec<_>>();
        let listed = self.within(LISTING_TIMEOUT, Access::Read, listing).await?;
        let below = |location: &Path| {
            let parts = location.prefix_match(&path)?;
            Some(parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
        };
        Ok(listed.iter().filter_map(|object| below(&object.location)).collect())
    }

    async fn bounded<T>(
        &self,
        access: Access,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> io::Result<T> {
        self.within(REQUEST_TIMEOUT, access, request).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        access: Access,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> io::Result<T> {
        bounded_by(limit, &self.permits, access, request).await
    }
}

/// A file as the bucket sent it.
struct Got {
    size: u64,
    version: Option<String>,
    /// None if the file is too large.
    bytes: Option<Vec<u8>>,
}

fn understood(got: Option<Got>) -> io::Result<Option<Stored>> {
    match got {
        None => Ok(None),
        Some(Got { size, bytes: None, .. }) => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{size} bytes, at most {FILE_BYTES_MAX} are read"),
        )),
        Some(Got { version, bytes: Some(bytes), .. }) => Ok(Some(Stored { bytes, version: ETag(version) })),
    }
}

/// Sends a request when one of these permits is free, and waits for both no longer than the limit.
async fn bounded_by<T>(
    limit: Duration,
    permits: &Semaphore,
    access: Access,
    request: impl Future<Output = object_store::Result<T>>,
) -> io::Result<T> {
    let asking = async {
        // The semaphore is never closed.
        let _permit = permits.acquire().await;
        request.await
    };
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => answer.map_err(|error| fault(&error, access)),
        Err(_) => {
            let what = format!("no answer from the bucket within {limit:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, what))
        }
    }
}

/// A bucket whose requests may be silent for so long.
fn store(config: &BucketConfig, timeout: Duration) -> io::Result<Box<dyn ObjectStore>> {
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_millis(200),
            base: 2.0,
        },
        max_retries: 2,
        retry_timeout: timeout,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_access_key_id(&config.access_key_id)
        .with_secret_access_key(config.secret_access_key.expose_secret())
        .with_allow_http(config.allow_http)
        .with_virtual_hosted_style_request(config.is_virtual_hosted)
        .with_retry(retry)
        .with_http_connector(Connector(http_client(config, timeout)?));
    if let Some(endpoint) = config.endpoint_for_requests() {
        builder = builder.with_endpoint(endpoint);
    }
    let store =
        builder.build().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, reason(&error)))?;
    Ok(Box::new(store))
}

fn http_client(config: &BucketConfig, timeout: Duration) -> io::Result<reqwest::Client> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    let builder = foundation::tls::client_builder(config.extra_ca_file.as_deref()).map_err(wrong)?;
    builder
        .https_only(!config.allow_http)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(REQUEST_TIMEOUT)
        .read_timeout(timeout)
        .build()
        .map_err(|error| wrong(error.to_string()))
}

/// Maps an error of `object_store`. Its text holds no credentials, because `object_store` puts none there.
fn fault(error: &Error, access: Access) -> io::Error {
    let kind = match error {
        Error::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
        Error::Precondition { .. } => return cas_conflict(),
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        // The request was never sent.
        other if is_connect(other) => io::ErrorKind::NotConnected,
        _ if access == Access::Write => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, reason(error))
}

fn is_connect(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(http) = inner.downcast_ref::<HttpError>() {
            return http.kind() == HttpErrorKind::Connect;
        }
        cause = inner.source();
    }
    false
}

/// Shortens an error to one line without the address. The caller adds the location, and logs must not show
/// hosts.
fn reason(error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    // Skip address and time, if the text has them.
    let rest = line.split_once(" - ").map_or(line.as_str(), |(_, rest)| rest);
    rest.chars().take(REASON_CHARS_MAX).collect()
}

/// A client that several threads share.
pub(super) type SharedClient = Arc<Client>;
