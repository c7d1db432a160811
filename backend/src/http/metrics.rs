//! `/metrics`, for Prometheus.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{
    auth::{self, Keys},
    error::Problem,
    operation::{Key, Operation},
    state::HttpState,
};
use crate::telemetry::metrics;

pub(super) fn describe() -> Operation {
    Operation::new("Health", "getMetrics", "All metrics, for Prometheus")
        .text("Requires `METRICS_KEY` if it is set.")
        .with_key(Key::Metrics)
        .empty(StatusCode::OK, "the metrics")
        .form::<String>(metrics::CONTENT_TYPE)
}

/// All metrics. Requires `METRICS_KEY` if it is set.
pub(super) async fn prometheus(State(state): State<HttpState>, headers: HeaderMap) -> Response {
    let keys = Keys::new(state.access.metrics_key.as_slice());
    if let Err(problem) = keys.check(&headers) {
        return auth::refuse(problem);
    }
    let measured = state.health.measured().await;
    match metrics::render(&measured) {
        Ok(text) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))], text).into_response()
        }
        Err(error) => {
            tracing::error!(event = "metrics_render_failed", %error, "metrics could not be written");
            Problem::internal().into_response()
        }
    }
}
