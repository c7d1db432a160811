//! `/metrics`, for Prometheus.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};

use super::{HttpState, auth, error::Problem};
use crate::telemetry::metrics;

/// All metrics; with a key where `METRICS_KEY` is set.
pub(super) async fn prometheus(State(state): State<HttpState>, headers: HeaderMap) -> Response {
    if let Err(problem) = state.metrics_keys().check(&headers) {
        return auth::refuse(problem);
    }
    let measured = state.health.measured().await;
    match metrics::render(&measured) {
        Ok(text) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            Problem::internal().into_response()
        }
    }
}
