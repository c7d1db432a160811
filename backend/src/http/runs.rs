//! `/run`, and all operations on runs.

mod batch_request;
pub(super) mod batches;
mod bodies;
pub(super) mod describe;
mod document_headers;
mod events;
mod evidence_page;
mod fields;
mod list;
mod markdown_page;
mod pages;
mod path;
mod quota;
mod report;
mod submission;
pub(crate) mod to_completion;
mod view;

use axum::{
    Extension, Json,
    extract::{Path, RawQuery, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use pipeline::run::{RunId, RunStatus};

use self::{
    batches::SubmittedBody,
    bodies::{Accepted, AcceptedAgain, Cancelled, Word},
    path::{parse, status_url},
    submission::Order,
    to_completion::run_to_completion,
};
pub(crate) use self::{
    events::follow,
    pages::{document, evidence, page},
};
use super::{
    auth, body,
    cache_control::NO_STORE,
    codes,
    error::Problem,
    reason::{self, Deleting},
    state::HttpState,
};
use crate::{
    access::{Caller, Scope},
    audit::Actor,
    runs::{By, Retried, Submission, SubmitError},
    telemetry::traces::{RequestTrace, within},
};
use storage::control_plane::{Permission, Principal};

/// Accepts a run: 202, and the same 202 for every repetition.
pub(super) async fn submit(State(state): State<HttpState>, request: Request) -> Response {
    accept(state, request).await.unwrap_or_else(auth::refuse)
}

async fn accept(state: HttpState, request: Request) -> Result<Response, Problem> {
    let is_keyless = request.extensions().get::<auth::WithoutKey>().is_some();
    let caller = request.extensions().get::<Caller>().cloned().ok_or_else(Problem::internal)?;
    let trace = request.extensions().get::<RequestTrace>().cloned();
    let body = body::json(request, &state.limits).await?;
    let submission = match submission::parse(&body)? {
        Order::Run(submission) => submission,
        Order::Batch(_) if is_keyless => return Err(SubmitError::KeyRequired.into()),
        Order::Batch(order) => return batches::accept(state, &caller, order, trace).await,
    };
    if submission.is_sample && !caller.may(Permission::Operate) {
        let roles = Permission::Operate.roles();
        return Err(Problem::new(
            codes::INSUFFICIENT_ROLE,
            format!("only {roles} may run the built-in sample"),
        ));
    }
    let run_id = submission.run_id.unwrap_or_else(|| RunId::from_uuid(uuid::Uuid::now_v7()));
    let context = trace.and_then(|trace| trace.of_run(run_id.as_str()));
    // The service's own runs count for nobody.
    let counted = (!submission.is_sample).then_some(&caller);
    let admission = quota::admit(&state, counted, &run_id).await?;
    let principal = if submission.is_sample { Principal::system() } else { caller.principal };
    let submission = Submission { run_id: Some(run_id), principal, is_keyless, ..submission };
    let runs = state.runs.clone();
    let accepting = async move {
        let submitted = runs.submit(submission).await;
        quota::note(admission, submitted.is_ok());
        submitted
    };
    let submitted = run_to_completion(within(context, accepting)).await??;
    let status_url = status_url(&submitted.run_id);
    let body = Accepted { run_id: submitted.run_id, status: submitted.status.into(), status_url };
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(SubmittedBody::Run(body))).into_response())
}

/// How far a run is.
pub(super) async fn status(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    run_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let view = state.runs.view(&parse(run_id)?, &Scope::from(&caller)).await?;
    Ok((NO_STORE, Json(view::status(&view, state.health.file_storage().durability()))).into_response())
}

/// Everything about a run.
pub(super) async fn detail(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    run_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let view = state.runs.view_with_document(&parse(run_id)?, &Scope::from(&caller)).await?;
    Ok((NO_STORE, Json(view::detail(&view, state.health.file_storage().durability()))).into_response())
}

/// A page of the list, newest first.
pub(super) async fn list(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = list::parse(query.as_deref().unwrap_or_default(), &Scope::from(&caller))?;
    let listed = state.runs.list(&asked.listing).await.map_err(|error| {
        tracing::warn!(event = "run_list_failed", %error, "runs could not be listed");
        Problem::storage_unavailable("the list of runs cannot be read now; try again")
    })?;
    Ok((NO_STORE, Json(view::list(&listed, &asked))).into_response())
}

/// A run's report, as Markdown or as a page.
pub(crate) async fn report(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    run_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        let view = state.runs.view_with_document(&parse(run_id)?, &Scope::from(&caller)).await?;
        report::answer(view, &headers).await
    };
    let mut response = answer.await.unwrap_or_else(Problem::into_response);
    // Another client may request another form, or get another answer.
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Retries a failed or cancelled run: 202.
pub(super) async fn retry(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Extension(mut actor): Extension<Actor>,
    run_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let run_id = parse(run_id)?;
    actor.reason = reason::of_body(request, &state.limits).await?;
    let admission = quota::admit_again(&state, &caller, &run_id).await?;
    let (runs, by) = (state.runs.clone(), By { scope: Scope::from(&caller), actor });
    let retried = run_to_completion(async move {
        let retried = runs.retry(&run_id, &by).await;
        quota::note(admission, retried.is_ok());
        retried
    })
    .await??;
    let status_url = status_url(&retried.run_id);
    let Retried { run_id, generation } = retried;
    let body = AcceptedAgain { run_id, status: Word::Running, generation, status_url };
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(body)).into_response())
}

/// Cancels a run: 200, also for a cancelled one.
pub(super) async fn cancel(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Extension(mut actor): Extension<Actor>,
    run_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let run_id = parse(run_id)?;
    actor.reason = reason::of_body(request, &state.limits).await?;
    let by = By { scope: Scope::from(&caller), actor };
    let (runs, id) = (state.runs.clone(), run_id.clone());
    run_to_completion(async move { runs.cancel(&id, &by).await }).await??;
    let run_status = RunStatus::Cancelled;
    let status_url = status_url(&run_id);
    let body = Cancelled { run_id, status: run_status.into(), run_status, status_url };
    Ok((NO_STORE, Json(body)).into_response())
}

/// Deletes a run: 204, also for a deleted one.
pub(super) async fn delete(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    Deleting(actor): Deleting,
    run_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let run_id = parse(run_id)?;
    let (runs, by) = (state.runs.clone(), By { scope: Scope::from(&caller), actor });
    run_to_completion(async move { runs.delete(&run_id, &by).await }).await??;
    Ok((StatusCode::NO_CONTENT, NO_STORE).into_response())
}
