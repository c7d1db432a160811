//! A blob store on loopback: real TLS with a certificate of its own authority, the repository's sample documents, and
//! every way in which a server misbehaves.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::server::TlsStream;

use super::{distinct::Template, tls::Authority};

/// A blob store. It lives as long as the test's runtime.
pub(crate) struct BlobStore {
    address: SocketAddr,
    pub(crate) authority: Authority,
    requests: Arc<AtomicUsize>,
    is_gone: Arc<Mutex<bool>>,
}

impl BlobStore {
    pub(crate) async fn start() -> Self {
        let authority = Authority::new();
        let acceptor = authority.acceptor(&[]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, is_gone) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(false)));
        let (counter, gone) = (requests.clone(), is_gone.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                let (requests, is_gone) = (counter.clone(), gone.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        requests.fetch_add(1, Ordering::Relaxed);
                        let is_gone = *is_gone.lock().unwrap();
                        let _ = answer(stream, is_gone).await;
                    }
                });
            }
        });
        Self { address, authority, requests, is_gone }
    }

    /// The address of the copy of a PDF or a text that has this number. All copies differ in their text.
    #[allow(dead_code, reason = "measurements use it")]
    pub(crate) fn distinct_url(&self, number: u64, path: &str) -> String {
        self.url(&format!("distinct/{number}/{path}"))
    }

    /// The address of `path`; below `sample/` lie the repository's samples, below `fixture/` the tests' documents, and
    /// below `marked/` a page of which the longest line begins with what follows: so do the fake model's answers.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.address.port())
    }

    /// How many documents were asked for.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// From now on every document is gone.
    pub(crate) fn remove_all(&self) {
        *self.is_gone.lock().unwrap() = true;
    }
}

/// A page whose longest line begins with a mark.
fn marked(mark: &str) -> String {
    format!(
        "# Refill at the counter\n\nShops let people bring their own tins.\n\n\
         {mark} is where households return on the day after the market, with tins that they have rinsed, and fill them again.\n\n\
         The deposit is small, and most forget to ask for it.\n"
    )
}

/// A copy of a PDF, whose template is made once, or of a text.
fn distinct(name: &str, number: u64) -> Vec<u8> {
    static TEMPLATES: Mutex<BTreeMap<String, Arc<Template>>> = Mutex::new(BTreeMap::new());
    let path = match name.split_once('/') {
        Some(("sample", name)) => super::sample(name),
        Some(("fixture", name)) => super::root().join("tests/fixtures/documents").join(name),
        _ => panic!("{name}: no document"),
    };
    if path.extension().is_none_or(|extension| extension != "pdf") {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.extend_from_slice(format!("\n\nThis is copy {number}.\n").as_bytes());
        return bytes;
    }
    let template = {
        let mut templates = TEMPLATES.lock().unwrap();
        let make = || Arc::new(Template::new(&std::fs::read(path).unwrap()));
        templates.entry(name.to_owned()).or_insert_with(make).clone()
    };
    template.copy(number)
}

async fn answer(mut stream: TlsStream<TcpStream>, is_gone: bool) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let head = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    if is_gone {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?;
        return stream.shutdown().await;
    }
    if let Some(name) = path.strip_prefix("/sample/") {
        let name = name.split('?').next().unwrap_or_default();
        let bytes = std::fs::read(super::sample(name))?;
        stream.write_all(head(bytes.len()).as_bytes()).await?;
        stream.write_all(&bytes).await?;
        return stream.shutdown().await;
    }
    if let Some(name) = path.strip_prefix("/fixture/") {
        let bytes = std::fs::read(super::root().join("tests/fixtures/documents").join(name))?;
        stream.write_all(head(bytes.len()).as_bytes()).await?;
        stream.write_all(&bytes).await?;
        return stream.shutdown().await;
    }
    if let Some((number, name)) = path.strip_prefix("/distinct/").and_then(|rest| rest.split_once('/')) {
        let bytes = distinct(name, number.parse().unwrap());
        stream.write_all(head(bytes.len()).as_bytes()).await?;
        stream.write_all(&bytes).await?;
        return stream.shutdown().await;
    }
    if let Some(mark) = path.strip_prefix("/marked/") {
        let text = marked(mark);
        stream.write_all(head(text.len()).as_bytes()).await?;
        stream.write_all(text.as_bytes()).await?;
        return stream.shutdown().await;
    }
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
                // The slow pace is what the path stands for.
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
