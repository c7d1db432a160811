//! Every route on one page.

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use tower_http::compression::CompressionLayer;

use super::{HttpState, auth, brands, cors, error, guards, health, metrics, request_id, runs};

/// The whole API.
pub fn router(state: HttpState) -> Router {
    let with_key = Router::new()
        .route("/run", post(runs::submit))
        .route("/status/{run_id}", get(runs::status))
        .route("/api/pipeline", get(runs::list))
        .route("/api/pipeline/{run_id}", get(runs::detail).delete(runs::delete))
        .route("/api/pipeline/{run_id}/status", get(runs::status))
        .route("/api/pipeline/{run_id}/report", get(runs::report))
        .route("/api/pipeline/{run_id}/retry", post(runs::retry))
        .route("/api/pipeline/{run_id}/cancel", post(runs::cancel))
        .route_layer(from_fn_with_state(state.api_keys(), auth::require_api_key));

    let public = Router::new()
        .route("/brands", get(brands::list))
        .route("/brands/{brand_id}", get(brands::one))
        .route("/health", get(health::basic))
        .route("/api/health", get(health::basic))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/health/deep", get(health::deep))
        // With a key of its own, where it is set.
        .route("/metrics", get(metrics::prometheus));

    let with_key = if state.serves_runs { with_key } else { Router::new() };
    let mut router = with_key
        .merge(public)
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        // The last is the outermost.
        .layer(from_fn_with_state(state.clone(), guards::time_limit))
        .layer(from_fn(guards::catch_panic));
    if let Some(cors) = cors::layer(&state.access.allowed_origins) {
        router = router.layer(cors);
    }
    router
        .layer(from_fn_with_state(state.clone(), request_id::name_and_log))
        .layer(CompressionLayer::new())
        .layer(from_fn(guards::security_headers))
        .with_state(state)
}
