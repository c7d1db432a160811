//! The configured location of run files: a folder, or a bucket that all replicas share.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use url::Url;

/// The configuration of the file store.
#[derive(Debug, Clone)]
pub struct StorageConfig {
    pub place: StoragePlace,
    /// How long the files of ended runs are kept. None keeps them for ever.
    pub retention: Option<Duration>,
    /// How long tombstones are kept, where anything expires. Longer than any backup of the database: a row that comes back
    /// with one must meet its tombstone.
    pub tombstone_retention: Duration,
    /// How long the documents of ended runs are kept for readers of the report. None keeps none.
    pub document_retention: Option<Duration>,
    /// A folder on this machine. It holds data that never goes into a bucket, and all runs if there is no
    /// bucket.
    pub local: PathBuf,
}

/// A folder or a bucket.
#[derive(Debug, Clone)]
pub enum StoragePlace {
    Folder(PathBuf),
    Bucket(Box<BucketConfig>),
}

/// A bucket and its connection.
#[derive(Debug, Clone)]
pub struct BucketConfig {
    pub bucket: String,
    /// Without slashes at its ends. Empty for the whole bucket.
    pub prefix: String,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    pub region: String,
    /// None for Amazon's own endpoint.
    pub endpoint: Option<Url>,
    /// Whether the bucket's name is a part of the host instead of the path.
    pub is_virtual_hosted: bool,
    pub allow_http: bool,
    /// An additional root certificate (PEM).
    pub extra_ca_file: Option<PathBuf>,
}

impl BucketConfig {
    /// The location for people: `s3://bucket/prefix/`.
    #[must_use]
    pub fn place(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}/{}{slash}", self.bucket, self.prefix)
    }

    /// The endpoint for requests, with the bucket's name in the host if configured.
    #[must_use]
    pub fn endpoint_for_requests(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?;
        let mut address = endpoint.clone();
        if self.is_virtual_hosted
            && let Some(host) = endpoint.host_str()
            && !host.starts_with(&format!("{}.", self.bucket))
        {
            // Host and bucket name were checked before. If the host cannot be set, the address stays as it
            // is.
            let _ = address.set_host(Some(&format!("{}.{host}", self.bucket)));
        }
        Some(address.as_str().trim_end_matches('/').to_owned())
    }
}

impl StorageConfig {
    /// The same configuration for another address: a folder, or a bucket with the same keys. None for any
    /// other address.
    #[must_use]
    pub fn elsewhere(&self, text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let place = match (url.scheme(), &self.place) {
            ("file", _) => StoragePlace::Folder(url.to_file_path().ok()?),
            ("s3", StoragePlace::Bucket(known)) => {
                let (bucket, prefix) = bucket_and_prefix(&url)?;
                StoragePlace::Bucket(Box::new(BucketConfig { bucket, prefix, ..(**known).clone() }))
            }
            _ => return None,
        };
        Some(Self { place, ..self.clone() })
    }
}

/// Splits `s3://bucket/prefix` into bucket and prefix. None if a name needs escaping, or if the address has
/// more parts.
#[must_use]
pub fn bucket_and_prefix(url: &Url) -> Option<(String, String)> {
    let bucket = url.host_str().unwrap_or_default().to_owned();
    let prefix = url.path().trim_matches('/').to_owned();
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-._/".contains(c));
    let has_more = url.port().is_some() || url.query().is_some() || url.fragment().is_some();
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let is_bucket = (3..=63).contains(&bucket.len()) && is_plain(&bucket);
    let is_prefix = is_plain(&prefix)
        && !prefix.contains("//")
        && !prefix.split('/').any(|part| matches!(part, "." | ".."));
    (is_bucket && is_prefix && !has_more && !has_credentials).then_some((bucket, prefix))
}
