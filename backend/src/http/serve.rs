//! The server loop: it limits connections, slow senders and slow readers, and lets answers finish at a stop.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt as _;

use super::{client_ip::Peer, write_timeout::WriteTimeout};

/// The limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// The most connections at once. Further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// From the end of one request, or from the start of the connection, to the end of the next request's
    /// headers. It also limits how long an idle connection is kept.
    pub header_timeout: Duration,
    /// How long a client may read nothing of its answer.
    pub stall_timeout: Duration,
    /// How long running answers may take after the stop.
    pub stop_timeout: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            // An attacker who opens all connections and sends nothing blocks others no longer than this.
            header_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// The pause after a failed accept. The process is out of descriptors, and some will become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown` completes, and then until the running answers are finished.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    limits: ServeLimits,
) {
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let connections = GracefulShutdown::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let router = router.clone();
        let service =
            service_fn(move |request: hyper::Request<Incoming>| answer(router.clone(), request, peer));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .serve_connection(TokioIo::new(WriteTimeout::new(stream, limits.stall_timeout)), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // It is normal that a client goes away or is too slow.
            if let Err(error) = connection.await {
                tracing::debug!(event = "connection_ended_early", %error, "connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.stop_timeout, connections.shutdown()).await.is_err() {
        tracing::warn!(
            event = "connections_cut",
            "answers were still under way at the stop; their connections are cut"
        );
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, Peer, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Small answers must not be delayed (Nagle). It is an optimisation, so a failure is harmless.
            let _ = stream.set_nodelay(true);
            Some((stream, Peer(peer), slot))
        }
        Err(error) => {
            tracing::warn!(event = "connection_accept_failed", %error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn answer(
    router: Router,
    request: hyper::Request<Incoming>,
    peer: Peer,
) -> Result<axum::response::Response, Infallible> {
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    router.oneshot(request).await
}
