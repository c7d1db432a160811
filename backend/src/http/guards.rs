//! Layers around every handler: a share for each client, a time limit, an answer after a panic, and security headers.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;

use super::{
    client_ip::client_ip,
    codes,
    error::Problem,
    fair_share::{self, OverLimit},
    held_body::hold,
    state::HttpState,
};

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

/// Refuses a request above the share of its client's address. It stands in front of keys and handlers.
pub(super) async fn limit_share(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    if fair_share::answers_always(request.uri().path()) {
        return next.run(request).await;
    }
    if request.extensions().get::<OverLimit>().is_some() {
        return fair_share::refusal();
    }
    let client = client_ip(&request, state.access.trusted_proxy_hops);
    let Some(share) = state.fair_share.admit(client) else { return fair_share::refusal() };
    // An event stream counts until it ends.
    next.run(request).await.map(|body| hold(body, share))
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
