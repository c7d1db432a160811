//! The server's loop, over real connections.

use std::{net::SocketAddr, time::Duration};

use axum::{body::Body, http::Request};
use backend::{
    config::{AccessConfig, ConnectionsConfig},
    http::{ServeLimits, serve},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Service, Setup, request};

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

    /// Connects from another address of this machine: 127.0.0.`last`.
    async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// Sends a request and reads all that comes until the server closes.
    async fn exchange(&self, request: &[u8]) -> String {
        exchange(self.connect().await, request).await
    }

    /// Connections with a request under way: a body that does not come.
    async fn busy(&self, count: usize) -> Vec<TcpStream> {
        let mut busy = Vec::new();
        for _ in 0..count {
            let mut stream = self.connect().await;
            stream.write_all(UNFINISHED).await.unwrap();
            // The answer to `Expect` shows that the handler waits for the body.
            let mut interim = [0; 25];
            stream.read_exact(&mut interim).await.unwrap();
            assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
            busy.push(stream);
        }
        busy
    }
}

async fn exchange(mut stream: TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    rest(&mut stream).await
}

/// Asks on a connection that stays open, and reads the answer's head.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

const BRANDS: &[u8] = b"GET /brands HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// An answer without a body.
const KEPT: &[u8] = b"HEAD /health/live HTTP/1.1\r\nHost: x\r\n\r\n";

const UNFINISHED: &[u8] = b"POST /run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
    Expect: 100-continue\r\nContent-Length: 100\r\n\r\n";

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
async fn health_answers_while_one_address_holds_everything() {
    let service = Service::new();
    let limits = ServeLimits {
        connections_max: 40,
        connections_per_address_max: 10,
        // Longer than the test, so that the server closes no silent connection.
        header_timeout: Duration::from_secs(60),
        ..ServeLimits::default()
    };
    let server = Server::start(&service, limits).await;
    let mut kept = Vec::new();
    for _ in 0..60 {
        let mut stream = server.connect().await;
        assert!(ask(&mut stream, KEPT).await.starts_with("HTTP/1.1 200"));
        kept.push(stream);
    }
    assert!(server.exchange(LIVE).await.starts_with("HTTP/1.1 200"));
    let cut = tokio::time::timeout(Duration::from_secs(5), rest(&mut kept[0])).await.unwrap();
    assert_eq!(cut, "", "the longest idle connection gave way");

    let busy = server.busy(10).await;
    for path in ["/health", "/health/live", "/health/ready", "/api/health"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = server.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let refused = server.exchange(BRANDS).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("too_many_connections"), "{refused}");
    let other = exchange(server.connect_from(2).await, BRANDS).await;
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    drop(busy);
}

#[tokio::test]
async fn a_slow_reader_gets_its_whole_answer() {
    // More than the buffers of both ends hold.
    const BYTES: usize = 32 << 20;
    let router = axum::Router::new().fallback(|| async { vec![b'x'; BYTES] });
    let service = Service { router, ..Service::new() };
    let limits = ServeLimits { connections_max: 1, ..ServeLimits::default() };
    let server = Server::start(&service, limits).await;
    let mut slow = server.connect().await;
    assert!(ask(&mut slow, LIVE).await.starts_with("HTTP/1.1 200"));
    // The slow one does not give way.
    assert!(server.exchange(LIVE).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&mut slow).await.len(), BYTES);
}

#[tokio::test]
async fn silent_connections_give_way_when_all_are_taken() {
    let service = Service::new();
    let limits = ServeLimits {
        connections_max: 20,
        connections_per_address_max: 5,
        header_timeout: Duration::from_secs(60),
        ..ServeLimits::default()
    };
    let server = Server::start(&service, limits).await;
    let mut silent = Vec::new();
    for last in 10..60 {
        let mut stream = server.connect_from(last).await;
        stream.write_all(b"GET /health HTTP/1.1\r\nX-Slow: ").await.unwrap();
        silent.push(stream);
    }
    for request in [LIVE, BRANDS] {
        assert!(server.exchange(request).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_connection_ends_after_its_last_request() {
    let service = Service::new();
    let limits = ServeLimits { requests_per_connection_max: 2, ..ServeLimits::default() };
    let server = Server::start(&service, limits).await;
    let mut stream = server.connect().await;
    assert!(!ask(&mut stream, KEPT).await.contains("connection: close"));
    assert!(ask(&mut stream, KEPT).await.contains("connection: close"));
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_old_connection_ends_with_its_answer() {
    let service = Service::new();
    let age = Duration::from_millis(300);
    let limits = ServeLimits {
        requests_per_connection_max: 1,
        connection_age_max: age,
        header_timeout: Duration::from_secs(60),
        ..ServeLimits::default()
    };
    let server = Server::start(&service, limits).await;
    assert_eq!(service.run(&request("run-1")).await.status, 202);
    let mut stream = server.connect().await;
    let head = ask(&mut stream, b"GET /api/pipeline/run-1/events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    // An idle connection lives at least half of the age, so the stream is old after two of them.
    for _ in 0..2 {
        assert_eq!(rest(&mut server.connect().await).await, "");
    }
    let cancel = Request::post("/api/pipeline/run-1/cancel").body(Body::empty()).unwrap();
    assert_eq!(service.send(cancel).await.status, 200);
    let events = rest(&mut stream).await;
    assert!(events.contains("event: end"), "{events}");
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_its_share() {
    let access = AccessConfig { trusted_proxy_hops: 1, ..AccessConfig::default() };
    let service = Service::with(Setup { access, requests_per_address_max: 2, ..Setup::default() });
    let config = ConnectionsConfig { per_address_max: 2, ..ConnectionsConfig::default() };
    let server = Server::start(&service, ServeLimits::new(&config, 1)).await;
    assert_eq!(service.run(&request("run-1")).await.status, 202);
    let through_proxy = |path: &str, client: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nConnection: close\r\n\r\n")
    };
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        let following = through_proxy("/api/pipeline/run-1/events", "203.0.113.7");
        assert!(ask(&mut stream, following.as_bytes()).await.starts_with("HTTP/1.1 200"));
        streams.push(stream);
    }
    let answer = |path, client| {
        let (server, request) = (&server, through_proxy(path, client));
        async move { server.exchange(request.as_bytes()).await }
    };
    let refused = answer("/brands", "203.0.113.7").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("too_many_connections"), "{refused}");
    assert!(answer("/brands", "203.0.113.8").await.starts_with("HTTP/1.1 200"));
    assert!(answer("/health", "203.0.113.7").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn heads_are_limited_to_sixteen_kilobytes() {
    let service = Service::new();
    let server = Server::start(&service, ServeLimits::default()).await;
    let head = |bytes: usize| {
        format!(
            "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: {}\r\n\r\n",
            "y".repeat(bytes)
        )
    };
    assert!(server.exchange(head(15_000).as_bytes()).await.starts_with("HTTP/1.1 200"));
    let answer = server.exchange(head(40_000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
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
    // Its place is free again; above the limit only health would answer.
    while !server.exchange(BRANDS).await.starts_with("HTTP/1.1 200") {}
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
