//! `/health` in its levels.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;

use super::{HttpState, error::Problem};
use crate::health::Verdict;

/// Level 1: 200 while a run would be accepted, else 503.
pub(super) async fn basic(State(state): State<HttpState>) -> Response {
    let basic = state.health.basic().await;
    answer(basic.status != Verdict::Unhealthy, &basic)
}

/// The process runs. Asks nothing and nobody.
pub(super) async fn live() -> Response {
    answer(true, &json!({"status": "alive"}))
}

/// Whether a run would be accepted, as the refusal that it would meet.
pub(super) async fn ready(State(state): State<HttpState>) -> Response {
    match state.health.readiness().await {
        Ok(()) => answer(true, &json!({"status": "ready"})),
        Err(reason) => Problem::from(reason).into_response(),
    }
}

/// Every dependency.
pub(super) async fn deep(State(state): State<HttpState>) -> Response {
    let deep = state.health.deep().await;
    answer(deep.is_ready(), &deep)
}

fn answer(is_ok: bool, body: &impl Serialize) -> Response {
    let status = if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, no_store, Json(body)).into_response()
}
