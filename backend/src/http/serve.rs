//! The server loop: it accepts connections within their limits, and lets answers finish at a stop.

use std::{future::Future, time::Duration};

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    client_ip::Peer, connection::serve_connection, connections::Connections, serve_limits::ServeLimits,
};

/// The pause after a failed accept. The process is out of descriptors, and some will become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown` completes, and then until the running answers are finished.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    limits: ServeLimits,
) {
    let connections = Connections::new(&limits);
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener) => accepted,
        };
        let Some((stream, peer)) = accepted else { continue };
        // Without a place, the connection is closed here.
        if let Some(place) = connections.admit(peer.0.ip()) {
            tasks.spawn(serve_connection(stream, peer, place, router.clone(), limits, stop.clone()));
        }
    }
    drop(listener);
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(limits.stop_timeout, tasks.wait()).await.is_err() {
        tracing::warn!(
            event = "connections_cut",
            "answers were still under way at the stop; their connections are cut"
        );
    }
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, Peer)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Small answers must not be delayed (Nagle). It is an optimisation, so a failure is harmless.
            let _ = stream.set_nodelay(true);
            Some((stream, Peer(peer)))
        }
        Err(error) => {
            tracing::warn!(event = "connection_accept_failed", %error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
