//! The run's id in a path, and the path of a run.

use axum::extract::{Path, rejection::PathRejection};
use pipeline::run::RunId;

use crate::http::{codes, error::Problem};

/// Parses a run id. Any other text gets 404, because no run has such an id.
pub(super) fn parse(run_id: Result<Path<String>, PathRejection>) -> Result<RunId, Problem> {
    let unknown = || Problem::new(codes::RUN_NOT_FOUND, "there is no run with this id");
    let Path(run_id) = run_id.map_err(|_| unknown())?;
    RunId::parse(&run_id).map_err(|_| unknown())
}

/// The address that shows how far a run is.
pub(super) fn status_url(run_id: &RunId) -> String {
    format!("/status/{run_id}")
}
