//! Connections to the model's endpoint: HTTP/2 over TLS if the endpoint offers it, else HTTP/1.1.
//!
//! * `connect_error`: why a connection could not be opened.
//! * `gate`: connects by HTTP/2 only, and remembers which protocol the endpoint speaks.
//! * `errors`: reads from an error whether the endpoint processed the request, and describes the error.
//!
//! A server accepts a limited number of concurrent requests on an HTTP/2 connection, usually 100. The client
//! library opens one connection per host, and queues the requests above the limit. So this module keeps
//! several clients, each with fewer requests than the limit. A request uses the first client with room. So
//! the last clients become idle and close their connections.

mod connect_error;
mod errors;
mod gate;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, header::HeaderMap};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use url::Url;

pub(super) use errors::connection_fault;
use gate::{CONNECT_TIMEOUT, Gate, Spoken};

use super::{fault::Fault, openrouter::error::OpenRouterError};
use foundation::{clock::timer_now, tls};

/// How often a request is sent again at once if the endpoint has not processed it. An endpoint that shuts
/// down refuses once, and the next connection reaches another machine.
const RESENDS_MAX: usize = 3;
/// How long a connection and its client may be idle before they are closed. It is the client library's
/// default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// How many unread bytes of one answer may be buffered. At a round trip of 100 ms, this permits more than 1
/// MB/s. An answer has about 100 kB.
const STREAM_WINDOW_BYTES: usize = 128 * 1024;

/// The settings of the connections.
#[derive(Debug, Clone)]
pub struct ConnectionsConfig {
    /// `EXTRA_CA_FILE`
    pub extra_ca_file: Option<PathBuf>,
    /// Concurrent requests on one HTTP/2 connection. Servers usually accept 100. The margin is for requests
    /// that have ended here but not yet at the server.
    pub requests_per_client: usize,
    /// The most HTTP/2 clients, each with one connection. 10,000 concurrent requests need 112 of them. Above
    /// 13,500, requests wait.
    pub clients_max: usize,
    /// After this much silence with open requests, the client pings the server.
    pub ping_interval: Duration,
    /// If the server does not answer a ping within this time, the client drops the connection.
    pub ping_timeout: Duration,
}

impl Default for ConnectionsConfig {
    fn default() -> Self {
        Self {
            extra_ca_file: None,
            requests_per_client: 90,
            clients_max: 150,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

/// All connections to one endpoint.
#[derive(Debug)]
pub(super) struct Connections {
    config: ConnectionsConfig,
    headers: HeaderMap,
    /// Whether to bypass proxies, for an endpoint on this machine.
    ignores_proxies: bool,
    /// For HTTP/2.
    tls: rustls::ClientConfig,
    spoken: Arc<Spoken>,
    /// Opens one connection per concurrent request, and reuses it.
    http1: Client,
    http2: Mutex<Clients>,
    /// One permit per request that all HTTP/2 clients together may have.
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Clients {
    /// In the order in which they are filled.
    all: Vec<Used>,
    next_id: u64,
}

#[derive(Debug)]
struct Used {
    id: u64,
    http: Client,
    in_flight: usize,
    last_used: Instant,
}

/// Room for one request. None if the endpoint speaks HTTP/1.1.
#[derive(Debug)]
pub(super) struct Room(Option<OwnedSemaphorePermit>);

/// A started answer with its place on a connection. The reader keeps both.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    pub(super) response: Response,
    pub(super) place: Place<'a>,
}

/// A request's place on a connection. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place<'a> {
    http: Client,
    /// None with HTTP/1.1.
    counted: Option<Counted<'a>>,
}

#[derive(Debug)]
struct Counted<'a> {
    clients: &'a Mutex<Clients>,
    client: u64,
    room: Room,
}

impl Counted<'_> {
    /// Frees the place and keeps the room, for another attempt elsewhere.
    fn leave(mut self) -> Room {
        Room(self.room.0.take())
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(used) = lock(self.clients).all.iter_mut().find(|used| used.id == self.client) {
            used.in_flight = used.in_flight.saturating_sub(1);
            used.last_used = timer_now();
        }
    }
}

impl Connections {
    /// Opens no connection yet. Every request carries the headers.
    pub(super) fn new(
        config: ConnectionsConfig,
        endpoint: &Url,
        headers: HeaderMap,
    ) -> Result<Self, OpenRouterError> {
        tls::install_crypto();
        let mut tls = tls::client_config(config.extra_ca_file.as_deref()).map_err(OpenRouterError::Tls)?;
        let ignores_proxies = is_loopback(endpoint);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = builder(&headers, ignores_proxies, tls.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .http1_only()
            .build()
            .map_err(OpenRouterError::Http)?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            room: Arc::new(Semaphore::new(config.clients_max.saturating_mul(config.requests_per_client))),
            config,
            headers,
            ignores_proxies,
            tls,
            spoken: Arc::new(Spoken::new(endpoint.scheme() == "https")),
            http1,
            http2: Mutex::default(),
        })
    }

    /// Waits until there is room for one more request.
    pub(super) async fn room(&self) -> Room {
        if self.spoken.is_http1() {
            return Room(None);
        }
        // The semaphore is never closed.
        Room(self.room.clone().acquire_owned().await.ok())
    }

    /// Sends the request that `write` writes, and waits until its answer begins. If the endpoint says that it
    /// has not processed the request, nothing was charged. Then the request is written and sent again at
    /// once.
    pub(super) async fn send(
        &self,
        room: Room,
        write: impl Fn(&Client) -> Result<RequestBuilder, Fault>,
    ) -> Result<Sent<'_>, Fault> {
        let (mut room, mut refused_by, mut resends_left) = (room, None, RESENDS_MAX);
        loop {
            let place = self.place(room, refused_by)?;
            let error = match write(&place.http)?.send().await {
                Ok(response) => return Ok(Sent { response, place }),
                Err(error) => error,
            };
            let Some(counted) = place.counted else {
                return Err(Fault::Connection(connection_fault(&error)));
            };
            if errors::may_speak_http1(&error) && !self.spoken.has_spoken_http2() {
                let sent = self.send_http1(write).await?;
                self.spoken.note_http1();
                return Ok(sent);
            }
            let waited_in_vain = errors::waited_in_vain(&error);
            if resends_left == 0 || !(waited_in_vain || errors::was_not_processed(&error)) {
                return Err(Fault::Connection(connection_fault(&error)));
            }
            tracing::debug!(
                event = "model_request_resent",
                resends_left,
                "a request was not processed; sending it again"
            );
            resends_left -= 1;
            refused_by = Some(counted.client).filter(|_| !waited_in_vain);
            room = counted.leave();
        }
    }

    async fn send_http1(
        &self,
        write: impl Fn(&Client) -> Result<RequestBuilder, Fault>,
    ) -> Result<Sent<'_>, Fault> {
        let place = Place { http: self.http1.clone(), counted: None };
        match write(&place.http)?.send().await {
            Ok(response) => Ok(Sent { response, place }),
            Err(error) => Err(Fault::Connection(connection_fault(&error))),
        }
    }

    /// The first client with room, preferably not `refused_by`.
    fn place(&self, room: Room, refused_by: Option<u64>) -> Result<Place<'_>, Fault> {
        if room.0.is_none() || self.spoken.is_http1() {
            return Ok(Place { http: self.http1.clone(), counted: None });
        }
        let now = timer_now();
        let mut clients = lock(&self.http2);
        clients.all.retain(|used| used.in_flight > 0 || now - used.last_used < IDLE_TIMEOUT);
        let has_room =
            |used: &Used| used.in_flight < self.config.requests_per_client && Some(used.id) != refused_by;
        let mut index = clients.all.iter().position(has_room);
        if index.is_none() && clients.all.len() < self.config.clients_max {
            let http = self.http2_client();
            let http = http.map_err(|_| Fault::Connection("the HTTP client cannot be set up"))?;
            clients.next_id += 1;
            let id = clients.next_id;
            index = Some(clients.all.len());
            clients.all.push(Used { id, http, in_flight: 0, last_used: now });
        }
        let used = match index {
            Some(index) => clients.all.get_mut(index),
            None => clients.all.iter_mut().min_by_key(|used| used.in_flight),
        };
        let used = used.ok_or(Fault::Connection("no HTTP client is allowed"))?;
        used.in_flight += 1;
        used.last_used = now;
        let counted = Counted { clients: &self.http2, client: used.id, room };
        Ok(Place { http: used.http.clone(), counted: Some(counted) })
    }

    fn http2_client(&self) -> Result<Client, reqwest::Error> {
        let gate = Gate::new(self.spoken.clone());
        // A slow reader must not reduce the window of the others.
        let connection_window = STREAM_WINDOW_BYTES.saturating_mul(self.config.requests_per_client);
        builder(&self.headers, self.ignores_proxies, self.tls.clone())
            .connector_layer(tower::layer::layer_fn(move |connector| gate.in_front_of(connector)))
            .http2_prior_knowledge()
            .http2_initial_stream_window_size(u32::try_from(STREAM_WINDOW_BYTES).ok())
            .http2_initial_connection_window_size(u32::try_from(connection_window).ok())
            .http2_keep_alive_interval(self.config.ping_interval)
            .http2_keep_alive_timeout(self.config.ping_timeout)
            .build()
    }
}

/// The settings that all clients of the endpoint share.
pub(super) fn builder(
    headers: &HeaderMap,
    ignores_proxies: bool,
    tls: rustls::ClientConfig,
) -> ClientBuilder {
    let builder = Client::builder()
        .default_headers(headers.clone())
        .tls_backend_preconfigured(tls)
        .pool_idle_timeout(IDLE_TIMEOUT)
        // The key must not follow a redirect to another host.
        .redirect(reqwest::redirect::Policy::none());
    if ignores_proxies { builder.no_proxy() } else { builder }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn lock(clients: &Mutex<Clients>) -> MutexGuard<'_, Clients> {
    clients.lock()
}
