//! `Cache-Control` for answers about runs and health.

use axum::http::{HeaderName, HeaderValue, header};

/// `Cache-Control` for answers that change within a second or that clients compare with a digest. No cache
/// may store them, and no proxy may compress them. A compressing proxy would hold events back until it has
/// enough of them.
pub(super) const UNALTERED: HeaderValue = HeaderValue::from_static("no-store, no-transform");

/// For all answers about runs.
pub(super) const NO_STORE: [(HeaderName, HeaderValue); 1] = [(header::CACHE_CONTROL, UNALTERED)];
