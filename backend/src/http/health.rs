//! `/health` in its levels.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{HttpState, UNALTERED, codes, error::Problem, operation::Operation};
use crate::health::{HealthStatus, HealthSummary, details::HealthDetails};

/// The process runs.
#[derive(Debug, Serialize, JsonSchema)]
struct Alive {
    #[schemars(extend("const" = "alive"))]
    status: &'static str,
}

/// A run would be accepted.
#[derive(Debug, Serialize, JsonSchema)]
struct Ready {
    #[schemars(extend("const" = "ready"))]
    status: &'static str,
}

pub(super) fn describe_basic(id: &'static str) -> Operation {
    Operation::new("Health", id, "Whether a run would be accepted, and in which mode")
        .text("Answers in milliseconds: what it says of dependencies is at most 5 s old.")
        .json::<HealthSummary>(StatusCode::OK, "a run would be accepted")
        .json::<HealthSummary>(StatusCode::SERVICE_UNAVAILABLE, "no run would be accepted")
}

pub(super) fn describe_live() -> Operation {
    Operation::new("Health", "getLiveness", "Whether the process runs; asks no dependency")
        .json::<Alive>(StatusCode::OK, "it does")
}

pub(super) fn describe_ready() -> Operation {
    Operation::new("Health", "getReadiness", "Whether a run would be accepted")
        .json::<Ready>(StatusCode::OK, "it would")
        .problems(&[codes::PERSISTENCE_DISABLED, codes::DRAINING, codes::STORAGE_UNAVAILABLE])
}

pub(super) fn describe_deep() -> Operation {
    Operation::new("Health", "getDeepHealth", "Every dependency, each as one check")
        .json::<HealthDetails>(StatusCode::OK, "a run would be accepted")
        .json::<HealthDetails>(StatusCode::SERVICE_UNAVAILABLE, "no run would be accepted")
}

/// Level 1: 200 while a run would be accepted, else 503.
pub(super) async fn basic(State(state): State<HttpState>) -> Response {
    let basic = state.health.basic().await;
    answer(basic.status != HealthStatus::Unhealthy, &basic)
}

/// The process runs. Asks nothing and nobody.
pub(super) async fn live() -> Response {
    answer(true, &Alive { status: "alive" })
}

/// Whether a run would be accepted, as the refusal that it would meet.
pub(super) async fn ready(State(state): State<HttpState>) -> Response {
    match state.health.readiness().await {
        Ok(()) => answer(true, &Ready { status: "ready" }),
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
    let no_store = [(header::CACHE_CONTROL, UNALTERED)];
    (status, no_store, Json(body)).into_response()
}
