//! The actions of people on a run: retry, cancel, delete. The use cases are those of the API.

use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use pipeline::run::RunId;

use crate::{
    console::{
        form::Form,
        operations::optional_reason,
        page::{Visit, go_to},
    },
    http::{codes, error::Problem, runs::to_completion::run_to_completion},
    runs::By,
};

type RunPath = Result<Path<String>, PathRejection>;

/// The run that a path names.
pub(super) fn run_of(path: RunPath) -> Result<RunId, Problem> {
    let unknown = || Problem::new(codes::RUN_NOT_FOUND, "there is no run with this id");
    let Path(text) = path.map_err(|_| unknown())?;
    RunId::parse(&text).map_err(|_| unknown())
}

fn page_of(run_id: &RunId) -> String {
    format!("/console/runs/{run_id}")
}

/// The person, with the reason that the form gives: it stands in the audit.
fn person(visit: &Visit, form: &Form) -> Result<By, Problem> {
    let mut by = visit.by();
    by.actor.reason = optional_reason(form)?;
    Ok(by)
}

/// `POST /console/runs/{run_id}/retry`
pub(in crate::console) async fn retry(visit: Visit, path: RunPath, form: Form) -> Result<Response, Problem> {
    let run_id = run_of(path)?;
    let by = person(&visit, &form)?;
    let admission = visit.state.quotas.admit(&visit.caller, &run_id, true).await?;
    let (runs, id) = (visit.state.runs.clone(), run_id.clone());
    run_to_completion(async move {
        let retried = runs.retry(&id, &by).await;
        if let (Ok(_), Some(admission)) = (&retried, admission) {
            admission.accepted();
        }
        retried
    })
    .await??;
    Ok(go_to(&page_of(&run_id), "run-retried"))
}

/// `POST /console/runs/{run_id}/cancel`
pub(in crate::console) async fn cancel(visit: Visit, path: RunPath, form: Form) -> Result<Response, Problem> {
    let run_id = run_of(path)?;
    let (runs, by, id) = (visit.state.runs.clone(), person(&visit, &form)?, run_id.clone());
    run_to_completion(async move { runs.cancel(&id, &by).await }).await??;
    Ok(go_to(&page_of(&run_id), "run-cancelled"))
}

/// `POST /console/runs/{run_id}/delete`, once the person has confirmed it.
pub(in crate::console) async fn delete(visit: Visit, path: RunPath, form: Form) -> Result<Response, Problem> {
    let run_id = run_of(path)?;
    if !form.says("confirm", "yes") {
        let detail = "tick the box that confirms the deletion; a deleted run cannot be brought back";
        return Err(Problem::new(codes::INVALID_FIELDS, detail));
    }
    let (runs, by) = (visit.state.runs.clone(), person(&visit, &form)?);
    run_to_completion(async move { runs.delete(&run_id, &by).await }).await??;
    Ok(go_to("/console/runs", "run-deleted"))
}
