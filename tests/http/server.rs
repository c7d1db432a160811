//! The server's loop, over real connections.

use std::{net::SocketAddr, time::Duration};

use backend::http::{ServeLimits, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::Service;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Server {
    async fn start(service: &Service, limits: ServeLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let ended =
            tokio::spawn(serve(listener, service.router.clone(), stop.clone().cancelled_owned(), limits));
        Self { address, stop, ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request and reads all that comes until the server closes.
    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        rest(&mut stream).await
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn slow_header_clients_are_cut_off() {
    let service = Service::new();
    let limits = ServeLimits { header_timeout: Duration::from_secs(2), ..ServeLimits::default() };
    let server = Server::start(&service, limits).await;
    let begun = Instant::now();
    let mut dripping = Vec::new();
    for _ in 0..50 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /health HTTP/1.1\r\nX-Slow: ").await.unwrap();
        dripping.push(stream);
    }
    let asked = Instant::now();
    assert!(server.exchange(LIVE).await.starts_with("HTTP/1.1 200"));
    assert!(asked.elapsed() < limits.header_timeout, "{:?}", asked.elapsed());
    for stream in &mut dripping {
        // The connection ends, with or without a last answer.
        let _ = tokio::time::timeout(Duration::from_secs(10), rest(stream)).await.unwrap();
    }
    assert!(begun.elapsed() >= limits.header_timeout);
}

#[tokio::test]
async fn connections_are_limited_and_the_next_one_waits() {
    let service = Service::new();
    let limits = ServeLimits {
        connections_max: 2,
        header_timeout: Duration::from_millis(500),
        ..ServeLimits::default()
    };
    let server = Server::start(&service, limits).await;
    let idle = [server.connect().await, server.connect().await];
    let asked = Instant::now();
    let answer = server.exchange(LIVE).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(asked.elapsed() >= Duration::from_millis(200), "it waited: {:?}", asked.elapsed());
    drop(idle);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let service = Service::new();
    let limits = ServeLimits {
        connections_max: 1,
        stall_timeout: Duration::from_millis(300),
        ..ServeLimits::default()
    };
    let server = Server::start(&service, limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(server.address).await.unwrap();
    let asking = async {
        // More answers than both ends' buffers hold, until the server hangs up.
        while deaf.write_all(b"GET /brands/decathlon HTTP/1.1\r\nHost: x\r\n\r\n").await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap();
    assert!(server.exchange(LIVE).await.starts_with("HTTP/1.1 200"), "its place is free again");
}

#[tokio::test]
async fn a_twenty_megabyte_body_is_rejected_unbuffered() {
    let service = Service::new();
    let server = Server::start(&service, ServeLimits::default()).await;
    let bytes = 20 * 1024 * 1024;
    let head = format!(
        "POST /run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n"
    );
    let mut request = head.clone().into_bytes();
    request.resize(request.len() + bytes, b' ');
    let answer = server.exchange(&request).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body_too_large"), "{answer}");

    // A client that asks first (`Expect`) gets the answer before it sends the body.
    let asking = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let answer = server.exchange(asking.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn malformed_requests_are_rejected_without_side_effects() {
    let service = Service::new();
    let server = Server::start(&service, ServeLimits::default()).await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /status/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer = server.exchange(nonsense).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let head = b"HEAD /status/nobody HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(head).await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.ends_with("\r\n\r\n"), "no body: {answer}");
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: y\r\n".repeat(500));
    assert!(server.exchange(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    assert!(server.exchange(LIVE).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_accepts_none() {
    let service = Service::new();
    let server = Server::start(&service, ServeLimits::default()).await;
    let mut kept = server.connect().await;
    kept.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let stopped = Instant::now();
    server.stop.cancel();
    server.ended.await.unwrap();
    assert!(
        stopped.elapsed() < Duration::from_secs(4),
        "an idle connection holds nothing: {:?}",
        stopped.elapsed()
    );
    assert!(TcpStream::connect(server.address).await.is_err());
}
