//! `/run` and the status of a run.

mod submission;
mod view;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use pipeline::run::{RunId, RunStatus};
use serde_json::json;
use tracing::Instrument as _;

use super::{HttpState, body, error::Problem};

/// The status words that the frontend knows. A cancelled run is a failed one whose error says so.
const fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Processing => "running",
        RunStatus::Completed => "complete",
        RunStatus::Failed | RunStatus::Cancelled => "failed",
    }
}

/// Accepts a run: 202, and the same 202 for every repeat.
pub(super) async fn submit(State(state): State<HttpState>, request: Request) -> Result<Response, Problem> {
    let body = body::json(request, &state.limits).await?;
    let submission = submission::parse(&body)?;
    // Accepting goes on when the caller hangs up: half of it must never be the end of it.
    let runs = state.runs.clone();
    let submitted = tokio::spawn(async move { runs.submit(submission).await }.in_current_span());
    let submitted = submitted.await.map_err(|_| Problem::internal())??;
    let body = json!({
        "run_id": submitted.run_id,
        "status": word(submitted.status),
        "status_url": format!("/status/{}", submitted.run_id),
    });
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::ACCEPTED, no_store, Json(body)).into_response())
}

/// How far a run is.
pub(super) async fn status(
    State(state): State<HttpState>,
    run_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    // What is no run's id is the id of no run: 404, whatever it is made of.
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "run_not_found", "there is no run with this id");
    let Path(run_id) = run_id.map_err(|_| unknown())?;
    let run_id = RunId::parse(&run_id).map_err(|_| unknown())?;
    let view = state.runs.view(&run_id).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(view::status(&view, state.health.local_disk()))).into_response())
}
