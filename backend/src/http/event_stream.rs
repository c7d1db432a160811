//! The form that all event streams share (Server-Sent Events, for a browser's `EventSource`).

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use foundation::resilience::Jitter;
use futures_util::stream;

use super::{cache_control::NO_STORE, codes, error::Problem};

/// The time between two comments on a quiet stream. Proxies cut a stream that is silent for a minute, and a
/// failed write shows that the client has gone.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The comment.
pub(super) const KEEP_ALIVE_TEXT: &str = ": keep-alive\n\n";

/// The longest wait before a client reconnects; the shortest is half of it. So the clients of a stopping
/// replica do not reconnect all at once.
const COME_AGAIN_MAX: Duration = Duration::from_secs(4);

/// `Retry-After` while too many streams are open. A run takes minutes.
const RETRY_STREAMS: Duration = Duration::from_secs(10);

/// Without it, nginx and similar proxies buffer events until there are enough of them.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// A stream whose text is made piece by piece.
pub(super) trait Pieces: Send + Sized + 'static {
    /// The next piece of text. None at the end.
    fn next(&mut self) -> impl Future<Output = Option<String>> + Send;

    /// Creates the body piece by piece as the client reads it, so that a slow client fills no queue.
    fn into_body(self, first: String) -> Body {
        let pieces = stream::unfold((self, Some(first)), |(mut stream, first)| async move {
            let text = match first {
                Some(first) => first,
                None => stream.next().await?,
            };
            Some((Ok::<_, Infallible>(Bytes::from(text)), (stream, None)))
        });
        Body::from_stream(pieces)
    }
}

/// A stream with this body.
pub(super) fn streaming(body: Body) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    (NO_STORE, [content_type, UNBUFFERED], body).into_response()
}

/// Tells the client when to reconnect.
pub(super) fn come_again() -> String {
    format!("retry: {}\n\n", Jitter::Random.spread(COME_AGAIN_MAX).as_millis())
}

/// The refusal of one stream more.
pub(super) fn too_many() -> Problem {
    let detail =
        "too many event streams are open (MAX_EVENT_STREAMS_PER_CLIENT); close one, or try again later";
    Problem::unavailable(codes::TOO_MANY_STREAMS, detail, RETRY_STREAMS)
}
