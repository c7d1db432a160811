//! Serves the connections: HTTP/2 request by request, HTTP/1.1 byte by byte.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ::h2::{Reason, RecvStream, server::SendResponse};
use axum::{body::Bytes, http};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Connection, State, wire::Wire};

/// Streams at once on one connection: what nginx (128), Envoy (100) and the large providers come close to.
const STREAMS_MAX: u32 = 100;

pub(super) async fn accept(listener: std::net::TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
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
    tokio::time::sleep(Duration::from_millis(state.delay_ms.load(Ordering::SeqCst))).await;
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
