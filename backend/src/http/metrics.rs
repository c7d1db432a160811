//! `/metrics`, for Prometheus.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    auth::{self, Doorkeeper},
    cache_control::UNALTERED,
    error::Problem,
    operation::{Key, Operation},
    state::HttpState,
};
use crate::telemetry::{
    metrics,
    metrics_json::{self, Sample},
};

pub(super) fn describe() -> Operation {
    Operation::new("Health", "getMetrics", "All metrics, for Prometheus")
        .text("Requires `METRICS_KEY`, or a key that may read operations, if `METRICS_KEY` is set, and in staging and production in any case.")
        .with_key(Key::Metrics)
        .empty(StatusCode::OK, "the metrics")
        .form::<String>(metrics::CONTENT_TYPE)
}

pub(super) fn describe_json() -> Operation {
    Operation::new("Health", "getMetricsAsJson", "All metrics, as JSON")
        .text("Requires the same key as `/metrics`, and one wherever any key is set.")
        .with_key(Key::Metrics)
        .json::<MetricsBody>(StatusCode::OK, "the metrics")
}

/// All metrics of this process.
#[derive(Debug, Serialize, JsonSchema)]
struct MetricsBody {
    metrics: Vec<Sample>,
}

/// All metrics as JSON. Behind a key wherever one is set, because no scraper of old asks for them without.
pub(super) async fn json(State(state): State<HttpState>, request: Request) -> Response {
    match text(&state, request, true).await {
        Ok(text) => {
            let no_store = [(header::CACHE_CONTROL, UNALTERED)];
            (no_store, Json(MetricsBody { metrics: metrics_json::samples(&text) })).into_response()
        }
        Err(problem) => auth::refuse(problem),
    }
}

/// All metrics, behind a key wherever one is set or the service is deployed.
pub(super) async fn prometheus(State(state): State<HttpState>, request: Request) -> Response {
    match text(&state, request, false).await {
        Ok(text) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))], text).into_response()
        }
        Err(problem) => auth::refuse(problem),
    }
}

/// The metrics in the text format, for a request that may read them.
async fn text(state: &HttpState, request: Request, is_always_guarded: bool) -> Result<String, Problem> {
    let visitor = Doorkeeper::of(state).visitor(&request);
    auth::check_metrics(state, visitor, is_always_guarded).await?;
    metrics::render(&state.health.measured().await).map_err(|error| {
        tracing::error!(event = "metrics_render_failed", %error, "metrics could not be written");
        Problem::internal()
    })
}
