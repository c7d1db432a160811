//! Whose pages may call from a browser: those of `ALLOWED_ORIGINS`, by default nobody's.

use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::request_id;
use crate::config::OriginRule;

/// How long a browser may remember what it was told.
const REMEMBER: Duration = Duration::from_secs(600);

/// Sent by programs that follow events with their own `fetch`; a browser's `EventSource` asks nobody.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The layer for these rules; none where there are no rules.
pub(super) fn layer(rules: &[OriginRule]) -> Option<CorsLayer> {
    if rules.is_empty() {
        return None;
    }
    let rules = rules.to_vec();
    let is_allowed = AllowOrigin::predicate(move |origin, _| {
        origin.to_str().is_ok_and(|origin| rules.iter().any(|rule| rule.allows(origin)))
    });
    let layer = CorsLayer::new()
        .allow_origin(is_allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            API_KEY,
            LAST_EVENT_ID,
            request_id::HEADER,
        ])
        .expose_headers([request_id::HEADER, header::RETRY_AFTER, header::LOCATION])
        .max_age(REMEMBER);
    Some(layer)
}
