//! One connection: its requests, its age, and its end.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use foundation::resilience::Jitter;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    client_ip::Peer,
    connections::{Admitted, Unflushed},
    fair_share::OverLimit,
    held_body::hold,
    serve_limits::ServeLimits,
    write_timeout::WriteTimeout,
};

/// The largest head of a request, and the size of the buffers. Browsers' cookies fit, and unfinished heads stay cheap.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Everything that the requests of one connection need.
struct Connection {
    router: Router,
    peer: Peer,
    place: Arc<Admitted>,
    unflushed: Unflushed,
    requests: AtomicU64,
    requests_max: u64,
}

/// Serves a connection until it ends. A request under way ends first, unless its client is too slow.
pub(super) async fn serve_connection(
    stream: TcpStream,
    peer: Peer,
    place: Admitted,
    router: Router,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let place = Arc::new(place);
    let requests_max = if place.is_reserved { 1 } else { limits.requests_per_connection_max };
    let unflushed = Unflushed::default();
    let connection = Arc::new(Connection {
        router,
        peer,
        place: place.clone(),
        unflushed: unflushed.clone(),
        requests: AtomicU64::new(0),
        requests_max,
    });
    let service = service_fn(move |request| answer(connection.clone(), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(WriteTimeout::new(stream, limits.stall_timeout, unflushed)), service);
    tokio::pin!(served);
    // Not all connections of one moment end at one moment.
    let old = sleep(Jitter::Random.spread(limits.connection_age_max));
    tokio::pin!(old);
    let mut is_ending = false;
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut served => break ended,
            // No request is under way.
            () = place.evicted() => break Ok(()),
            () = stop.cancelled(), if !is_ending => is_ending = true,
            () = &mut old, if !is_ending => is_ending = true,
        }
        served.as_mut().graceful_shutdown();
    };
    // It is normal that a client goes away or is too slow.
    if let Err(error) = ended {
        tracing::debug!(event = "connection_ended_early", %error, "connection ended early");
    }
}

async fn answer(
    connection: Arc<Connection>,
    request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    connection.unflushed.end();
    let Some(under_way) = connection.place.begin() else {
        // Nobody reads it: the connection is being closed.
        return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response());
    };
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(connection.peer);
    if connection.place.is_reserved {
        request.extensions_mut().insert(OverLimit);
    }
    let is_last = connection.requests.fetch_add(1, Ordering::Relaxed) + 1 >= connection.requests_max;
    let mut response = connection.router.clone().oneshot(request).await?;
    if is_last {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let under_way = connection.unflushed.hold(under_way);
    Ok(response.map(|body| hold(body, under_way)))
}
