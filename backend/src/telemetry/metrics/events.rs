//! Counts events: one function for each kind, which every part of the service may call.

use std::time::Duration;

use pipeline::{
    failure::FailureCode,
    run::{RunStatus, Stage},
};

use super::{
    counted::COUNTED,
    labels::{
        CallLabels, EndLabels, HttpServerLabels, KindLabels, RequestLabels, ResultLabels, RouteLabels,
        SeverityLabels, StageTimeLabels, StatusLabels, VerdictLabels,
    },
    waits::observe,
};

/// Counts an answered request. `route` is the template (`/status/{run_id}`).
pub fn request_answered(method: &'static str, route: &str, status: u16, took: Duration) {
    let labels = RequestLabels { method, route: route.to_owned(), status };
    COUNTED.http_requests.get_or_create(&labels).inc();
    observe(&COUNTED.waits.http, &RouteLabels { route: route.to_owned() }, took);
    let labels = HttpServerLabels {
        // The convention's word for methods that it does not list.
        http_request_method: if method == "OTHER" { "_OTHER" } else { method },
        http_route: route.to_owned(),
        http_response_status_code: status,
    };
    observe(&COUNTED.waits.http_server, &labels, took);
}

/// Counts a run that was accepted for the first time.
pub fn run_accepted() {
    COUNTED.runs_accepted.inc();
}

/// Counts a submission whose run id or batch id was accepted before. `is_same`: it asks for the same work.
pub fn submission_repeated(is_same: bool) {
    let result = if is_same { "repeated" } else { "mismatch" };
    COUNTED.idempotency_hits.get_or_create(&ResultLabels { result }).inc();
}

/// Notes how long an accepted run waited for the begin of its first attempt.
pub fn run_started(waited: Duration) {
    COUNTED.waits.queue.observe(waited.as_secs_f64());
}

/// Counts an ended run. `code` is the code of its error, if it has one; `took` is the time since its acceptance.
pub fn run_ended(status: RunStatus, code: Option<FailureCode>, took: Duration) {
    let status = match status {
        RunStatus::Processing => "PROCESSING",
        RunStatus::Completed => "COMPLETED",
        RunStatus::Failed => "FAILED",
        RunStatus::Cancelled => "CANCELLED",
    };
    let code = code.map_or("NONE", FailureCode::as_str);
    COUNTED.runs_ended.get_or_create(&EndLabels { status, code }).inc();
    observe(&COUNTED.waits.run, &StatusLabels { status }, took);
}

/// Notes how long a stage took, from its begin until a store has it.
pub fn stage_took(stage: Stage, provider: &str, took: Duration) {
    // The endpoint chooses the names of providers.
    let analyst = if provider == "extractive" { "extractive" } else { "model" };
    let labels = StageTimeLabels { stage: stage.number(), analyst };
    observe(&COUNTED.waits.stage, &labels, took);
}

/// Notes when a run's first stage was stored, since its acceptance.
pub fn first_stage_stored(after: Duration) {
    COUNTED.waits.first_stage.observe(after.as_secs_f64());
}

/// A call that may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    ModelCall,
    Webhook,
    DocumentFetch,
    StageWrite,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ModelCall => "model_call",
            Self::Webhook => "webhook",
            Self::DocumentFetch => "document_fetch",
            Self::StageWrite => "stage_write",
        }
    }
}

/// Counts a call by how it ended after so many attempts.
pub fn call_ended(operation: Operation, attempts: u32, is_ok: bool) {
    let result = match (is_ok, attempts) {
        (true, 0..=1) => "first_attempt",
        (true, _) => "after_retry",
        (false, _) => "permanent_failure",
    };
    COUNTED.calls.get_or_create(&CallLabels { operation: operation.as_str(), result }).inc();
}

/// Counts a webhook by its result.
pub fn webhook(result: &'static str) {
    COUNTED.webhooks.get_or_create(&ResultLabels { result }).inc();
}

/// Notes how long one request to the receiver of webhooks took.
pub fn webhook_sent(result: &'static str, took: Duration) {
    observe(&COUNTED.waits.webhook, &ResultLabels { result }, took);
}

/// Notes how long the download of a document took.
pub fn document_fetched(is_ok: bool, took: Duration) {
    observe(&COUNTED.waits.document_fetch, &ResultLabels { result: ok(is_ok) }, took);
}

/// Notes how long the reading of a document took.
pub fn document_read(is_ok: bool, took: Duration) {
    observe(&COUNTED.waits.document_read, &ResultLabels { result: ok(is_ok) }, took);
}

const fn ok(is_ok: bool) -> &'static str {
    if is_ok { "ok" } else { "failed" }
}

/// Counts a new connection by how the limits of connections let it in.
pub fn connection_admitted(result: &'static str) {
    COUNTED.connections.get_or_create(&ResultLabels { result }).inc();
}

/// Counts a wrong key by how it was answered.
pub fn key_failed(result: &'static str) {
    COUNTED.failed_keys.get_or_create(&ResultLabels { result }).inc();
}

/// The result of a question to the answer cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerLookUp {
    Hit,
    /// The run asks the model, and others may wait for it.
    Miss,
    /// Another run has asked for too long.
    Overdue,
    /// The request allows no reuse.
    Off,
}

/// Counts a question to the answer cache.
pub fn answer_looked_up(result: AnswerLookUp) {
    let result = match result {
        AnswerLookUp::Hit => "hit",
        AnswerLookUp::Miss => "miss",
        AnswerLookUp::Overdue => "overdue",
        AnswerLookUp::Off => "off",
    };
    COUNTED.answer_look_ups.get_or_create(&ResultLabels { result }).inc();
}

/// Counts a run that waits for another run's answer.
pub fn answer_awaited() {
    COUNTED.answer_waits.inc();
}

/// Counts an opened event stream.
pub fn event_stream_opened() {
    COUNTED.event_streams.inc();
}

/// Counts a closed event stream, whichever end closed it.
pub fn event_stream_closed() {
    COUNTED.event_streams.dec();
}

/// Counts a run whose files expired.
pub fn run_expired() {
    COUNTED.runs_expired.inc();
}

/// Adds the costs of model calls. Invalid amounts are ignored.
pub fn llm_cost(usd: f64) {
    if usd.is_finite() && usd > 0.0 {
        COUNTED.llm_cost_usd.inc_by(usd);
    }
}

/// Counts a tolerated deviation of a model's reply from the wire format.
pub fn model_oddity(kind: &'static str) {
    COUNTED.model_oddities.get_or_create(&KindLabels { kind }).inc();
}

/// Shows the verdict over the deployment of this process: one of `watching`, `healthy`, `failing` and `inconclusive`.
pub fn deployment_verdict(verdict: &'static str) {
    for known in ["watching", "healthy", "failing", "inconclusive"] {
        let gauge = COUNTED.deployment_verdict.get_or_create(&VerdictLabels { verdict: known });
        gauge.set(i64::from(known == verdict));
    }
}

/// Says how many alerts of a severity fire now.
pub fn alerts_firing(severity: &'static str, count: usize) {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    COUNTED.alerts_firing.get_or_create(&SeverityLabels { severity }).set(count);
}

/// Counts a batch of spans that the collector took, or did not take.
pub fn spans_exported(is_ok: bool) {
    COUNTED.trace_exports.get_or_create(&ResultLabels { result: ok(is_ok) }).inc();
}

/// Counts a routine log line that sampling has left out.
pub fn log_line_left_out() {
    COUNTED.log_lines_left_out.inc();
}
