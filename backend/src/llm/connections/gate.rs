//! Opens connections that speak HTTP/2, and no others. It remembers which protocol the endpoint speaks.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use foundation::clock::timer_now;
use hyper_util::client::legacy::connect::Connection;
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::Service;

use super::{
    connect_error::{BoxError, NotHttp2, SharedError},
    errors::causes,
};

/// The time limit of a connection attempt. A healthy one takes less than a second.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an endpoint counts as HTTP/1.1 only. Its operator may upgrade it.
const HTTP1_REMEMBERED: Duration = Duration::from_secs(600);
/// How long a failure also applies to the requests that waited for the same connection. Otherwise, each of
/// them would try in turn.
const FAILURE_SHARED: Duration = Duration::from_millis(100);

/// The endpoint's protocol, as far as it is known.
#[derive(Debug)]
pub(super) struct Spoken {
    /// Without TLS, no endpoint offers HTTP/2.
    may_be_http2: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    has_spoken_http2: bool,
    http1_until: Option<Instant>,
}

impl Spoken {
    pub(super) fn new(may_be_http2: bool) -> Self {
        Self { may_be_http2, known: Mutex::default() }
    }

    pub(super) fn is_http1(&self) -> bool {
        let known = self.known.lock();
        !self.may_be_http2 || known.http1_until.is_some_and(|until| timer_now() < until)
    }

    pub(super) fn has_spoken_http2(&self) -> bool {
        self.known.lock().has_spoken_http2
    }

    pub(super) fn note_http1(&self) {
        tracing::debug!(event = "model_endpoint_http1", "the model's endpoint speaks HTTP/1.1");
        let http1_until = Some(timer_now() + HTTP1_REMEMBERED);
        *self.known.lock() = Known { has_spoken_http2: false, http1_until };
    }

    fn note_http2(&self) {
        *self.known.lock() = Known { has_spoken_http2: true, http1_until: None };
    }
}

/// Guards one client's connector.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    spoken: Arc<Spoken>,
    last_failure: Arc<Mutex<Option<(Instant, SharedError)>>>,
}

impl Gate {
    pub(super) fn new(spoken: Arc<Spoken>) -> Self {
        Self { spoken, last_failure: Arc::default() }
    }

    pub(super) fn in_front_of<S>(&self, connector: S) -> Gated<S> {
        Gated { gate: self.clone(), connector }
    }

    /// Why no connection should be attempted now.
    fn closed(&self) -> Option<BoxError> {
        if self.spoken.is_http1() {
            return Some(NotHttp2.into());
        }
        let failure = self.last_failure.lock();
        let recent = failure.as_ref().filter(|(at, _)| at.elapsed() < FAILURE_SHARED);
        recent.map(|(_, error)| error.clone().into())
    }

    async fn connect<C: Connection>(
        self,
        connecting: impl Future<Output = Result<C, BoxError>>,
    ) -> Result<C, BoxError> {
        let error = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(connection)) if connection.connected().is_negotiated_h2() => {
                self.spoken.note_http2();
                return Ok(connection);
            }
            Ok(Ok(_)) => NotHttp2.into(),
            Ok(Err(error)) if offers_no_http2(&*error) => NotHttp2.into(),
            Ok(Err(error)) => error,
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "making a connection took too long").into(),
        };
        if error.is::<NotHttp2>() {
            self.spoken.note_http1();
            return Err(error);
        }
        let error = SharedError(Arc::from(error));
        let failure = Some((timer_now(), error.clone()));
        *self.last_failure.lock() = failure;
        Err(error.into())
    }
}

/// Whether the server's TLS alert says that it supports none of the offered protocols (RFC 7301, 3.2).
fn offers_no_http2(error: &(dyn Error + 'static)) -> bool {
    use rustls::{AlertDescription::NoApplicationProtocol, Error::AlertReceived};
    causes(error)
        .filter_map(|cause| cause.downcast_ref())
        .any(|error| matches!(error, AlertReceived(NoApplicationProtocol)))
}

/// A connector behind its gate.
#[derive(Debug, Clone)]
pub(super) struct Gated<S> {
    gate: Gate,
    connector: S,
}

impl<S, To> Service<To> for Gated<S>
where
    S: Service<To, Error = BoxError>,
    S::Response: Connection + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, to: To) -> Self::Future {
        match self.gate.closed() {
            Some(error) => Box::pin(std::future::ready(Err(error))),
            None => Box::pin(self.gate.clone().connect(self.connector.call(to))),
        }
    }
}
