//! Batches: `POST /run` with `brands`, and the addresses that show a batch.

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use pipeline::{batch::BatchId, brand::BrandId, run::RunId};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    bodies::{Accepted, RunError, StagesDone, Time, Word},
    path::status_url,
    quota, report,
    to_completion::run_to_completion,
    view,
};
use crate::{
    access::{Caller, Scope},
    http::{cache_control::NO_STORE, codes, error::Problem, operation::Operation, state::HttpState},
    runs::{BatchContent, BatchOrder, BatchRunView, BatchView, StageStatus, comparison},
    telemetry::traces::{RequestTrace, within},
};

/// The accepted batch.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Submitted")]
pub(super) enum SubmittedBody {
    Run(Accepted),
    Batch(AcceptedBatch),
}

/// A batch was accepted, now or earlier.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AcceptedBatch {
    batch_id: BatchId,
    /// In the order of the first request.
    runs: Vec<AcceptedRun>,
    /// The address that shows how far all of its runs are.
    batch_url: String,
}

/// A run of an accepted batch.
#[derive(Debug, Serialize, JsonSchema)]
struct AcceptedRun {
    company_id: BrandId,
    #[serde(flatten)]
    accepted: Accepted,
}

/// A batch and the states of its runs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Batch")]
struct BatchBody {
    batch_id: BatchId,
    /// The owner of the batch: the principal of the key that submitted it.
    principal: String,
    /// `running` until all runs have ended; then `complete` if one of them is complete.
    status: Word,
    accepted_at: Time,
    document_name: Option<String>,
    totals: Totals,
    /// In the order of the first request.
    runs: Vec<RunOfBatch>,
    /// The comparison of the brands. Null before a run is complete.
    report_url: Option<String>,
}

/// The runs of a batch by their states, and their costs.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "BatchTotals")]
struct Totals {
    runs: usize,
    running: usize,
    complete: usize,
    failed: usize,
    deleted: usize,
    /// US dollars for all answers of all runs.
    cost_usd: f64,
}

/// One run of a batch.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BatchRun")]
struct RunOfBatch {
    run_id: RunId,
    company_id: BrandId,
    brand_name: Option<String>,
    /// Null for a run that was deleted.
    status: Option<Word>,
    progress: StagesDone,
    cost_usd: f64,
    status_url: String,
    /// The run's own report.
    report_url: Option<String>,
    /// Why the run failed or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RunError>,
}

/// Accepts a batch: 202, and the same 202 for every repetition.
pub(super) async fn accept(
    state: HttpState,
    caller: &Caller,
    order: BatchOrder,
    trace: Option<RequestTrace>,
) -> Result<Response, Problem> {
    let context = trace.and_then(|trace| trace.of_run(order.batch_id.as_str()));
    let order = BatchOrder { principal: caller.principal.clone(), ..order };
    // Each run counts. If one is too many, the others give their places back.
    let mut admissions = Vec::with_capacity(order.brands.len());
    for brand in &order.brands {
        admissions.push(quota::admit(&state, Some(caller), &order.batch_id.run_id(brand)).await?);
    }
    let runs = state.runs.clone();
    let accepting = async move {
        let submitted = runs.submit_batch(order).await;
        for admission in admissions {
            quota::note(admission, submitted.is_ok());
        }
        submitted
    };
    let submitted = run_to_completion(within(context, accepting)).await??;
    let runs = submitted.runs.into_iter().map(|(company_id, run)| {
        let status_url = status_url(&run.run_id);
        let accepted = Accepted { run_id: run.run_id, status: run.status.into(), status_url };
        AcceptedRun { company_id, accepted }
    });
    let batch_url = batch_url(&submitted.batch_id);
    let body = AcceptedBatch { batch_id: submitted.batch_id, runs: runs.collect(), batch_url };
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(SubmittedBody::Batch(body))).into_response())
}

/// How far the runs of a batch are.
pub(in crate::http) async fn show(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    batch_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let batch = state.runs.batch(&parse(batch_id)?, &Scope::from(&caller), BatchContent::States).await?;
    Ok((NO_STORE, Json(body(&batch))).into_response())
}

/// The comparison of a batch's brands, as Markdown or as a page.
pub(in crate::http) async fn compare(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    batch_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        let (id, scope) = (parse(batch_id)?, Scope::from(&caller));
        let batch = state.runs.batch(&id, &scope, BatchContent::Comparison).await?;
        let Some(markdown) = comparison::of_batch(&batch) else { return Err(missing(&body(&batch).totals)) };
        report::answer_markdown(&format!("Comparison {}", batch.batch.id), markdown, &headers).await
    };
    let mut response = answer.await.unwrap_or_else(Problem::into_response);
    // Another client may request another form, or get another answer.
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

pub(in crate::http) fn describe_view() -> Operation {
    Operation::new("Runs", "getBatch", "A batch, and how far its runs are")
        .json::<BatchBody>(StatusCode::OK, "the current state")
        .problems(&[codes::BATCH_NOT_FOUND, codes::NOT_ALONE, codes::STORAGE_UNAVAILABLE])
}

pub(in crate::http) fn describe_report() -> Operation {
    Operation::new(
        "Runs",
        "getBatchReport",
        "A comparison of a batch's brands, in the form that Accept requests",
    )
    .text("It compares the runs that are complete, and names the others.")
    .empty(StatusCode::OK, "the comparison")
    .form::<String>("text/markdown; charset=utf-8")
    .form::<String>("text/html; charset=utf-8")
    .header("Vary", "The form depends on Accept.")
    .problems(&[
        codes::BATCH_NOT_FOUND,
        codes::REPORT_PENDING,
        codes::REPORT_RUN_FAILED,
        codes::NOT_ACCEPTABLE,
        codes::NOT_ALONE,
        codes::STORAGE_UNAVAILABLE,
    ])
}

/// Parses a batch id. Any other text gets 404, because no batch has such an id.
fn parse(batch_id: Result<Path<String>, PathRejection>) -> Result<BatchId, Problem> {
    let unknown = || Problem::new(codes::BATCH_NOT_FOUND, "there is no batch with this id");
    let Path(batch_id) = batch_id.map_err(|_| unknown())?;
    BatchId::parse(&batch_id).map_err(|_| unknown())
}

fn batch_url(id: &BatchId) -> String {
    format!("/api/pipeline/batches/{id}")
}

fn missing(totals: &Totals) -> Problem {
    match totals.running {
        0 => Problem::new(
            codes::REPORT_RUN_FAILED,
            "no run of the batch is complete, so there is nothing to compare; a retry of its runs may bring a report",
        ),
        _ => Problem::new(
            codes::REPORT_PENDING,
            "no run of the batch is complete yet, so there is nothing to compare",
        ),
    }
}

fn body(batch: &BatchView) -> BatchBody {
    let runs: Vec<RunOfBatch> = batch.runs.iter().map(one).collect();
    let of = |wanted: fn(&Word) -> bool| {
        runs.iter().filter_map(|run| run.status.as_ref()).filter(|word| wanted(word)).count()
    };
    let totals = Totals {
        runs: runs.len(),
        running: of(|word| matches!(word, Word::Running)),
        complete: of(|word| matches!(word, Word::Complete)),
        failed: of(|word| matches!(word, Word::Failed)),
        deleted: runs.iter().filter(|run| run.status.is_none()).count(),
        cost_usd: runs.iter().map(|run| run.cost_usd).sum(),
    };
    let status = match (totals.running, totals.complete) {
        (1.., _) => Word::Running,
        (0, 1..) => Word::Complete,
        (0, 0) => Word::Failed,
    };
    let named = batch.runs.iter().filter_map(|run| run.view.as_ref()?.document_name.as_deref()).next();
    let id = &batch.batch.id;
    BatchBody {
        batch_id: id.clone(),
        principal: batch.batch.principal.to_string(),
        status,
        accepted_at: Time(batch.batch.accepted_at),
        document_name: view::shown(named),
        report_url: (totals.complete > 0).then(|| format!("{}/report", batch_url(id))),
        totals,
        runs,
    }
}

fn one(run: &BatchRunView) -> RunOfBatch {
    let view = run.view.as_ref();
    let stages = view.map_or(&[][..], |view| &view.stages);
    let complete = stages.iter().filter(|stage| stage.status == StageStatus::Complete).count();
    let run_id = run.run.run_id.clone();
    let has_report = view.is_some_and(|view| view.report.is_some());
    RunOfBatch {
        status_url: status_url(&run_id),
        report_url: has_report.then(|| format!("/api/pipeline/{run_id}/report")),
        run_id,
        company_id: run.run.brand_id.clone(),
        brand_name: view::shown(view.and_then(|view| view.brand_name.as_deref())),
        status: view.map(|view| view.status.into()),
        progress: StagesDone { complete, total: pipeline::run::Stage::ALL.len() },
        cost_usd: view.map_or(0.0, |view| view.cost_usd),
        error: view.and_then(|view| view::why(view.status, view.error.as_ref())),
    }
}
