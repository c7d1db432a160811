//! The TLS side of an endpoint: what stands in front of a provider's servers, and speaks HTTP/2 (RFC 9113, chosen by ALPN,
//! RFC 7301) or HTTP/1.1 alone. The double of the model, or any other plain server, answers behind it.
//!
//! As the usual ones do, it takes 100 requests at once on a connection, and refuses those above (`REFUSED_STREAM`). On
//! command it goes away as a server does that is replaced, refuses, breaks or falls silent.

mod wire;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use ::h2::{Reason, RecvStream, server::SendResponse};
use axum::{body::Bytes, http};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use self::wire::{Tap, Wire};
use crate::support::authority::Authority;

/// Streams at once on one connection: what nginx (128), Envoy (100) and the large providers come close to.
const STREAMS_MAX: u32 = 100;

/// The protocol after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http2,
    /// Refuses, by ALPN, clients that offer nothing but HTTP/2.
    Http1,
    /// Knows no ALPN.
    Http1WithoutAlpn,
}

/// A connection that was made.
#[derive(Debug, Default)]
struct Connection {
    tap: Arc<Tap>,
    wakes: Notify,
    /// Asked to hang up.
    breaks: AtomicBool,
    open: AtomicUsize,
    open_max: AtomicUsize,
    /// The last stream that was given to the server behind.
    processed_last: AtomicUsize,
}

#[derive(Debug)]
struct State {
    behind: SocketAddr,
    connections: Mutex<Vec<Arc<Connection>>>,
    processed: AtomicUsize,
    held: AtomicUsize,
    holds: AtomicBool,
    to_refuse: AtomicUsize,
    http: reqwest::Client,
}

/// A running front. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Front {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// In front of the server at this address (`http://…`), with a certificate of this authority.
    pub(crate) fn start(behind: &str, authority: &Authority, speaks: Speaks) -> Self {
        let behind = behind.trim_start_matches("http://").split('/').next().unwrap().parse().unwrap();
        let acceptor = authority.acceptor(match speaks {
            Speaks::Http2 => &["h2", "http/1.1"],
            Speaks::Http1 => &["http/1.1"],
            Speaks::Http1WithoutAlpn => &[],
        });
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            behind,
            connections: Mutex::default(),
            processed: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            holds: AtomicBool::new(false),
            to_refuse: AtomicUsize::new(0),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        });
        let (stop, stopped) = oneshot::channel();
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, acceptor, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// For `OPENROUTER_BASE_URL`.
    pub(crate) fn base_url(&self) -> String {
        format!("{}/api/v1", self.origin())
    }

    pub(crate) fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Connections on which a protocol was agreed.
    pub(crate) fn connections(&self) -> usize {
        self.all().len()
    }

    /// The most requests that each connection had at once.
    pub(crate) fn streams_max(&self) -> Vec<usize> {
        self.all().iter().map(|one| one.open_max.load(Ordering::SeqCst)).collect()
    }

    /// Requests that were refused, on command or above the limit.
    pub(crate) fn refusals(&self) -> usize {
        self.all().iter().map(|one| one.tap.refusals.load(Ordering::SeqCst)).sum()
    }

    /// Requests that were given to the server behind: those that are paid.
    pub(crate) fn processed(&self) -> usize {
        self.state.processed.load(Ordering::SeqCst)
    }

    /// Requests that are held.
    pub(crate) fn held(&self) -> usize {
        self.state.held.load(Ordering::SeqCst)
    }

    /// Requests that come from now on are taken and not processed, until the front goes away.
    pub(crate) fn hold(&self) {
        self.state.holds.store(true, Ordering::SeqCst);
    }

    /// Tells on every connection which request was the last that is processed, and processes those of new connections.
    pub(crate) fn go_away(&self) {
        self.state.holds.store(false, Ordering::SeqCst);
        for one in self.all().iter() {
            let last = one.processed_last.load(Ordering::SeqCst);
            *one.tap.inserted.lock().unwrap() = wire::go_away(u32::try_from(last).unwrap());
            one.wakes.notify_one();
        }
    }

    /// Refuses the next requests.
    pub(crate) fn refuse(&self, requests: usize) {
        self.state.to_refuse.store(requests, Ordering::SeqCst);
    }

    /// Hangs up on every connection, whatever is under way on it.
    pub(crate) fn hang_up(&self) {
        for one in self.all().iter() {
            one.breaks.store(true, Ordering::SeqCst);
            one.wakes.notify_one();
        }
    }

    /// Reads and writes nothing any more on the connection with this number, and leaves it open.
    pub(crate) fn fall_silent(&self, connection: usize) {
        self.all()[connection].tap.is_silent.store(true, Ordering::SeqCst);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.state.connections.lock().unwrap()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).unwrap();
    // Ends with the runtime.
    let mut serving = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), state.clone());
        serving.spawn(async move {
            socket.set_nodelay(true).unwrap();
            // A client that does not trust the certificate, or offers another protocol, hangs up here.
            let Ok(stream) = acceptor.accept(socket).await else { return };
            let connection = Arc::new(Connection::default());
            state.connections.lock().unwrap().push(connection.clone());
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2(stream, &connection, &state).await;
            } else {
                http1(stream, &state).await;
            }
        });
    }
}

async fn http1(mut stream: TlsStream<TcpStream>, state: &State) {
    if let Ok(mut behind) = TcpStream::connect(state.behind).await {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
    }
}

async fn http2(stream: TlsStream<TcpStream>, connection: &Arc<Connection>, state: &Arc<State>) {
    let wire = Wire::new(stream, connection.tap.clone());
    let mut builder = ::h2::server::Builder::new();
    let Ok(mut requests) = builder.max_concurrent_streams(STREAMS_MAX).handshake::<_, Bytes>(wire).await
    else {
        return;
    };
    let mut streams = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = requests.accept() => accepted,
            // The library writes, and with it the inserted bytes, when it is asked for the next request.
            () = connection.wakes.notified() => {
                if connection.breaks.load(Ordering::SeqCst) {
                    return;
                }
                continue;
            }
        };
        let Some(Ok((request, mut response))) = accepted else { return };
        let refused =
            state.to_refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if refused.is_ok() {
            response.send_reset(Reason::REFUSED_STREAM);
            continue;
        }
        let open = connection.open.fetch_add(1, Ordering::SeqCst) + 1;
        connection.open_max.fetch_max(open, Ordering::SeqCst);
        let (state, connection) = (state.clone(), connection.clone());
        streams.spawn(async move {
            serve(request, response, &connection, &state).await;
            connection.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Serves one request, until it is answered or the client gives it up.
async fn serve(
    request: http::Request<RecvStream>,
    mut response: SendResponse<Bytes>,
    connection: &Connection,
    state: &State,
) {
    if state.holds.load(Ordering::SeqCst) {
        state.held.fetch_add(1, Ordering::SeqCst);
        let _ = std::future::poll_fn(|context| response.poll_reset(context)).await;
        return;
    }
    let stream = response.stream_id().as_u32() as usize;
    connection.processed_last.fetch_max(stream, Ordering::SeqCst);
    let _ = forward(request, &mut response, state).await;
}

/// Gives a request to the server behind, and its answer back, piece by piece.
async fn forward(
    request: http::Request<RecvStream>,
    response: &mut SendResponse<Bytes>,
    state: &State,
) -> Option<()> {
    let (head, mut content) = request.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = content.data().await {
        let piece = piece.ok()?;
        let _ = content.flow_control().release_capacity(piece.len());
        body.extend_from_slice(&piece);
    }
    state.processed.fetch_add(1, Ordering::SeqCst);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = head.headers;
    headers.remove(http::header::HOST);
    let asked = state.http.request(head.method, format!("http://{}{path}", state.behind));
    let mut answer = tokio::select! {
        answer = asked.headers(headers).body(body).send() => answer.ok()?,
        _ = std::future::poll_fn(|context| response.poll_reset(context)) => return None,
    };
    let mut begun = http::Response::new(());
    *begun.status_mut() = answer.status();
    for (name, value) in answer.headers() {
        // RFC 9113, 8.2.2: they are about the other connection.
        if !["connection", "transfer-encoding", "keep-alive"].contains(&name.as_str()) {
            begun.headers_mut().append(name, value.clone());
        }
    }
    let mut pieces = response.send_response(begun, false).ok()?;
    loop {
        let piece = tokio::select! {
            piece = answer.chunk() => piece.ok()?,
            _ = std::future::poll_fn(|context| pieces.poll_reset(context)) => return None,
        };
        match piece {
            Some(piece) => pieces.send_data(piece, false).ok()?,
            None => return pieces.send_data(Bytes::new(), true).ok(),
        }
    }
}
