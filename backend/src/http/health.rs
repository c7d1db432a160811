//! `/health` and its levels.

use axum::{
    Json,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    auth::Doorkeeper, cache_control::UNALTERED, codes, error::Problem, operation::Operation, state::HttpState,
};
use crate::health::{HealthStatus, HealthSummary, details::HealthDetails};

/// The process runs.
#[derive(Debug, Serialize, JsonSchema)]
struct Alive {
    #[schemars(extend("const" = "alive"))]
    status: &'static str,
}

/// The service would accept a run.
#[derive(Debug, Serialize, JsonSchema)]
struct Ready {
    #[schemars(extend("const" = "ready"))]
    status: &'static str,
}

pub(super) fn describe_basic(id: &'static str) -> Operation {
    Operation::new("Health", id, "Whether the service would accept a run, and in which mode")
        .text("Answers in milliseconds. Its statements about dependencies are at most 5 s old.")
        .json::<HealthSummary>(StatusCode::OK, "the service would accept a run")
        .json::<HealthSummary>(StatusCode::SERVICE_UNAVAILABLE, "the service would refuse a run")
}

pub(super) fn describe_live() -> Operation {
    Operation::new("Health", "getLiveness", "Whether the process runs; checks no dependency")
        .json::<Alive>(StatusCode::OK, "the process runs")
}

pub(super) fn describe_ready() -> Operation {
    Operation::new("Health", "getReadiness", "Whether the service would accept a run")
        .json::<Ready>(StatusCode::OK, "the service would accept a run")
        .problems(&[
            codes::PERSISTENCE_DISABLED,
            codes::DRAINING,
            codes::NOT_ALONE,
            codes::STORAGE_UNAVAILABLE,
        ])
}

pub(super) fn describe_deep() -> Operation {
    Operation::new("Health", "getDeepHealth", "Every dependency, each as one check")
        .text("With an API key, the reasons name table, column, path and errno.")
        .json::<HealthDetails>(StatusCode::OK, "the service would accept a run")
        .json::<HealthDetails>(StatusCode::SERVICE_UNAVAILABLE, "the service would refuse a run")
}

/// Level 1: 200 while the service would accept a run, else 503.
pub(super) async fn basic(State(state): State<HttpState>) -> Response {
    let basic = state.health.basic().await;
    answer(basic.status != HealthStatus::Unhealthy, &basic)
}

/// Answers while the process runs. Checks no dependency.
pub(super) async fn live() -> Response {
    answer(true, &Alive { status: "alive" })
}

/// Whether the service would accept a run. If not, the answer is the refusal that a run would get.
pub(super) async fn ready(State(state): State<HttpState>) -> Response {
    match state.health.readiness().await {
        Ok(()) => answer(true, &Ready { status: "ready" }),
        Err(reason) => Problem::from(reason).into_response(),
    }
}

/// Checks every dependency.
pub(super) async fn deep(State(state): State<HttpState>, request: Request) -> Response {
    let doorkeeper = Doorkeeper::of(&state);
    let has_key = doorkeeper.known_caller(doorkeeper.visitor(&request)).await.is_some();
    let deep = state.health.deep(has_key).await;
    answer(deep.is_ready(), &deep)
}

fn answer(is_ok: bool, body: &impl Serialize) -> Response {
    let status = if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let no_store = [(header::CACHE_CONTROL, UNALTERED)];
    (status, no_store, Json(body)).into_response()
}
