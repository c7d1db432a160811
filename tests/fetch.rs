//! Downloading a document over real TLS from a server that misbehaves in every way.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use backend::{
    config::DocumentsConfig,
    documents::fetch::{Deadlines, Fetcher},
};
use pipeline::document::DocumentError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A blob store on loopback with a certificate of its own authority.
struct BlobStore {
    address: SocketAddr,
    ca: tempfile::NamedTempFile,
}

impl BlobStore {
    async fn start() -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), authority_certificate.pem()).unwrap();

        backend::documents::fetch::install_crypto();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        let _ = answer(stream).await;
                    }
                });
            }
        });
        Self { address, ca }
    }

    fn config(&self) -> DocumentsConfig {
        DocumentsConfig {
            allowed_hosts: vec!["localhost".into(), "127.0.0.1".into()],
            allow_private_network: true,
            extra_ca_file: Some(self.ca.path().to_owned()),
            bytes_max: 100_000,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.address.port())
    }

    /// Fetches with deadlines short enough for a test; the kinds of waiting stay the same.
    async fn fetch(&self, path: &str) -> Result<Vec<u8>, DocumentError> {
        let deadlines = Deadlines { total: Duration::from_millis(1500), idle: Duration::from_millis(500) };
        let fetcher = Fetcher::new(self.config(), deadlines).unwrap();
        fetcher.fetch(&fetcher.check(&self.url(path)).unwrap()).await
    }
}

async fn answer(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    match path {
        "/good" => stream.write_all(format!("{}content", head(7)).as_bytes()).await?,
        "/announced" => stream.write_all(head(1_000_000_000).as_bytes()).await?,
        "/endless" => {
            stream.write_all(chunked.as_bytes()).await?;
            loop {
                stream.write_all(format!("1000\r\n{}\r\n", "x".repeat(0x1000)).as_bytes()).await?;
            }
        }
        "/hang" => std::future::pending().await,
        "/drip" => {
            stream.write_all(chunked.as_bytes()).await?;
            loop {
                stream.write_all(b"1\r\nx\r\n").await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        "/short" => stream.write_all(format!("{}cut off", head(700)).as_bytes()).await?,
        "/gone" => stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?,
        "/once" => {
            stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /good\r\ncontent-length: 0\r\n\r\n").await?
        }
        "/circle" => {
            stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /circle\r\ncontent-length: 0\r\n\r\n").await?
        }
        "/inside" => {
            let head =
                "HTTP/1.1 302 Found\r\nlocation: https://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
        }
        _ => stream.write_all(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n").await?,
    }
    stream.shutdown().await
}

#[tokio::test]
async fn a_document_is_fetched_also_by_way_of_a_redirect() {
    let store = BlobStore::start().await;
    assert_eq!(store.fetch("good").await.unwrap(), b"content");
    assert_eq!(store.fetch("once").await.unwrap(), b"content");
}

#[tokio::test]
async fn every_fault_of_a_server_ends_in_words_and_in_time() {
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
async fn a_name_that_resolves_to_a_private_address_is_not_connected_to() {
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
    };
    let error = Fetcher::new(config, Deadlines::default()).unwrap_err().to_string();
    assert!(error.contains("EXTRA_CA_FILE") && error.contains("/no/such/file.pem"), "{error}");
}
