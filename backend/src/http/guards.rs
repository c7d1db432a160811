//! Layers around every handler: a time limit, an answer after a panic, and security headers.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;

use super::{codes, error::Problem, state::HttpState};

/// Answers 503 if a handler takes too long. A write that it started ends by its own limits.
pub(super) async fn time_limit(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let limit = state.limits.request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(event = "request_timed_out", ?limit, "a request took too long");
            let detail = "the answer took too long; try again";
            let after = std::time::Duration::from_secs(5);
            Problem::unavailable(codes::REQUEST_TIMED_OUT, detail, after).into_response()
        }
    }
}

/// Answers 500 if a handler panics. The log has the panic.
pub(super) async fn catch_panic(request: Request, next: Next) -> Response {
    // Nothing uses the handler's state after the panic.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .map(|message| (*message).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            tracing::error!(event = "handler_panicked", message, "a handler panicked");
            Problem::internal().into_response()
        }
    }
}

/// The headers that protect browsers: trust the content type, show the answer in no frame, send no referrer.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        // The service's own pages (documentation, console) bring their own policy.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
