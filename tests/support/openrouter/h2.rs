//! The TLS side of an endpoint: a proxy in front of a provider's servers, which speaks HTTP/2 (RFC 9113, chosen by ALPN,
//! RFC 7301) or HTTP/1.1 alone. The double of the model, or any other plain server, answers behind it.
//!
//! As the usual ones do, it takes 100 requests at once on a connection, and refuses those above (`REFUSED_STREAM`). On
//! command it goes away as a server does that is replaced, refuses, breaks or falls silent.

mod serve;
mod wire;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use self::wire::Tap;
use crate::support::{server_thread::ServerThread, tls::Authority};

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
    delay_ms: AtomicU64,
    http: reqwest::Client,
}

/// A running front. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Front {
    state: Arc<State>,
    server: ServerThread,
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
        let state = Arc::new(State {
            behind,
            connections: Mutex::default(),
            processed: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            holds: AtomicBool::new(false),
            to_refuse: AtomicUsize::new(0),
            delay_ms: AtomicU64::new(0),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        });
        let shared = state.clone();
        let server = ServerThread::start(move |listener| serve::accept(listener, acceptor, shared));
        Self { state, server }
    }

    /// For `OPENROUTER_BASE_URL`.
    pub(crate) fn base_url(&self) -> String {
        format!("{}/api/v1", self.origin())
    }

    pub(crate) fn origin(&self) -> String {
        format!("https://localhost:{}", self.server.address.port())
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

    /// Requests that are being answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.all().iter().map(|one| one.open.load(Ordering::SeqCst)).sum()
    }

    /// Waits so long with each request before it is given to the server behind, which needs a socket for each.
    pub(crate) fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(delay.as_millis().try_into().unwrap(), Ordering::SeqCst);
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

    /// Whether every client was told.
    pub(crate) fn has_told(&self) -> bool {
        self.all().iter().all(|one| one.tap.inserted.lock().unwrap().is_empty())
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
