//! Downloading a document over real TLS from a server that misbehaves in every way.

mod coding;
mod names;
mod redirects;
mod retry;
mod token;

use std::time::Duration;

use backend::{
    config::DocumentsConfig,
    documents::fetch::{Deadlines, Fetcher},
};
use pipeline::document::DocumentError;

use crate::support::{blob::BlobStore, origin::Origin};

/// For what an origin server serves, asked for again for so long.
fn config(origin: &Origin, retry_for: Duration) -> DocumentsConfig {
    DocumentsConfig {
        allowed_hosts: vec!["localhost".into()],
        allow_private_network: true,
        extra_ca_file: Some(origin.authority.path().to_owned()),
        bytes_max: 100_000,
        retry_for,
        token: None,
        token_hosts: Vec::new(),
    }
}

async fn fetch(config: DocumentsConfig, url: &str) -> Result<Vec<u8>, DocumentError> {
    let deadlines = Deadlines { total: Duration::from_millis(1500), idle: Duration::from_millis(500) };
    let fetcher = Fetcher::new(config, deadlines).unwrap();
    fetcher.fetch(&fetcher.check(url).unwrap()).await
}

impl BlobStore {
    fn config(&self) -> DocumentsConfig {
        DocumentsConfig {
            allowed_hosts: vec!["localhost".into(), "127.0.0.1".into()],
            allow_private_network: true,
            extra_ca_file: Some(self.authority.path().to_owned()),
            bytes_max: 100_000,
            retry_for: Duration::ZERO,
            token: None,
            token_hosts: Vec::new(),
        }
    }

    /// Fetches with deadlines short enough for a test; the kinds of waiting stay the same.
    async fn fetch(&self, path: &str) -> Result<Vec<u8>, DocumentError> {
        let deadlines = Deadlines { total: Duration::from_millis(1500), idle: Duration::from_millis(500) };
        let fetcher = Fetcher::new(self.config(), deadlines).unwrap();
        fetcher.fetch(&fetcher.check(&self.url(path)).unwrap()).await
    }
}

#[tokio::test]
async fn a_document_is_fetched_through_a_redirect() {
    let store = BlobStore::start().await;
    assert_eq!(store.fetch("good").await.unwrap(), b"content");
    assert_eq!(store.fetch("once").await.unwrap(), b"content");
}

#[tokio::test]
async fn every_server_fault_ends_with_a_timely_message() {
    let store = BlobStore::start().await;
    for (path, code, words) in [
        ("announced", "DOCUMENT_TOO_LARGE", "100000 bytes"),
        ("endless", "DOCUMENT_TOO_LARGE", "100000 bytes"),
        ("hang", "DOCUMENT_UNAVAILABLE", "nothing came for 500ms"),
        ("drip", "DOCUMENT_UNAVAILABLE", "not complete after 1.5s"),
        ("short", "DOCUMENT_UNAVAILABLE", "broke off"),
        ("gone", "DOCUMENT_UNAVAILABLE", "404"),
        ("circle", "DOCUMENT_UNAVAILABLE", "redirects"),
        ("inside", "DOCUMENT_UNAVAILABLE", "not fetched from 169.254.169.254"),
    ] {
        let error = store.fetch(path).await.unwrap_err();
        assert_eq!(error.code(), code, "{path}: {error}");
        assert!(error.to_string().contains(words), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_name_resolving_to_private_addresses_is_rejected() {
    let store = BlobStore::start().await;
    let mut config = store.config();
    config.allow_private_network = false;
    let fetcher = Fetcher::new(config, Deadlines::default()).unwrap();
    let url = fetcher.check("https://localhost/good").unwrap();
    let error = fetcher.fetch(&url).await.unwrap_err();
    assert!(error.to_string().contains("localhost is not a public address"), "{error}");
}

#[tokio::test]
async fn an_unknown_certificate_is_refused() {
    let store = BlobStore::start().await;
    let mut config = store.config();
    config.extra_ca_file = None;
    let fetcher = Fetcher::new(config, Deadlines::default()).unwrap();
    let error = fetcher.fetch(&fetcher.check(&store.url("good")).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("no secure connection"), "{error}");
}

#[test]
fn a_missing_root_certificate_is_named() {
    let config = DocumentsConfig {
        allowed_hosts: vec![],
        allow_private_network: false,
        extra_ca_file: Some("/no/such/file.pem".into()),
        bytes_max: 1,
        retry_for: Duration::ZERO,
        token: None,
        token_hosts: Vec::new(),
    };
    let error = Fetcher::new(config, Deadlines::default()).unwrap_err().to_string();
    assert!(error.contains("EXTRA_CA_FILE") && error.contains("/no/such/file.pem"), "{error}");
}
