//! An origin server on loopback that answers over real TLS with the very bytes that a test gives: what RFC 9110 and 9112
//! allow a server to send, and what they do not.

// Each test file uses its own part of it.
#![allow(dead_code)]

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::server::TlsStream;

use super::tls::Authority;

/// How the server treats a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// These bytes, then an orderly end.
    Bytes(Vec<u8>),
    /// These bytes, then the connection is reset.
    Reset(Vec<u8>),
    /// Nothing, for ever.
    Silence,
}

impl Answer {
    /// A whole answer with a length: status line, header lines, body.
    pub(crate) fn new(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        Self::Bytes([head.as_bytes(), body].concat())
    }

    pub(crate) fn ok(headers: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("200 OK", headers, body)
    }

    /// A redirect whose target is any bytes.
    pub(crate) fn to(status: u16, location: impl AsRef<[u8]>) -> Self {
        let head = format!("HTTP/1.1 {status} Go\r\ncontent-length: 0\r\nlocation: ");
        Self::Bytes([head.as_bytes(), location.as_ref(), b"\r\n\r\n"].concat())
    }
}

/// A request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
}

/// The server. It lives as long as the test's runtime.
pub(crate) struct Origin {
    address: SocketAddr,
    pub(crate) authority: Authority,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Origin {
    /// Starts a server that answers the nth request (from 1) for a path as `answer` says.
    pub(crate) async fn start(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let authority = Authority::new();
        let acceptor = authority.acceptor(&[]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (answer, noted) = (Arc::new(answer), asked.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, answer, noted) = (acceptor.clone(), answer.clone(), noted.clone());
                tokio::spawn(async move {
                    // A client that refuses the certificate ends here.
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let _ = serve(stream, &*answer, &noted).await;
                });
            }
        });
        Self { address, authority, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}/{path}", self.address.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TlsStream<TcpStream>,
    answer: &(impl Fn(&str, usize) -> Answer + Sync),
    noted: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let mut lines = request.split("\r\n");
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let number = {
        let mut noted = noted.lock().unwrap();
        noted.push(Asked { at: Instant::now(), path: path.clone(), headers });
        noted.iter().filter(|one| one.path == path).count()
    };
    match answer(&path, number) {
        Answer::Bytes(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Answer::Reset(bytes) => {
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            let (socket, _) = stream.into_inner();
            socket.set_zero_linger()
        }
        Answer::Silence => std::future::pending().await,
    }
}
