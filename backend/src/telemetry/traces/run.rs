//! The spans of a run: its acceptance, each attempt at it, and its stages.
//!
//! The attempt's context travels with its task. The stage under way is a value in it: the engine reports when a stage begins and
//! ends, and what the task does in between belongs to the stage.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt as _, Link, SpanBuilder, SpanContext, SpanKind, TraceContextExt as _, WithContext},
};
use parking_lot::Mutex;
use pipeline::{failure::FailureCode, record::StageMeta, run::Stage};

use super::{
    attributes::{ATTEMPTS, COST_USD, PROVIDER, RUN_ATTEMPT, RUN_EPOCH, RUN_ID, RUN_STATUS, STAGE},
    ids::{Chosen, acceptance, span_of, trace_of},
    parents::{from_text, to_text},
    tracer::{fail, is_traced, remote, traces},
};
use foundation::clock::wall_now;

/// The stage under way of the attempt to which a context belongs.
#[derive(Debug, Clone, Default)]
struct StageUnderWay(Arc<Mutex<Option<Context>>>);

/// The context below which spans belong now: the stage under way, else that of the task.
pub(super) fn current() -> Context {
    Context::map_current(|context| {
        let stage = context.get::<StageUnderWay>().and_then(|stage| stage.0.lock().clone());
        stage.unwrap_or_else(|| context.clone())
    })
}

/// Does work in a context, whichever thread polls it.
pub fn within<F: Future>(context: Option<Context>, work: F) -> WithContext<F> {
    work.with_context(context.unwrap_or_default())
}

/// The acceptance of a run, as the run keeps it: only for a trace that the client has brought, because the other is made of the
/// run's id. This process remembers it. Call it before the run is accepted: a worker may begin with it at once.
#[must_use]
pub fn kept_parent(run: &str) -> Option<String> {
    let traces = traces()?;
    let own = acceptance_here(run)?;
    if own.trace_id() == trace_of(run) {
        return None;
    }
    traces.parents.remember(run, own.clone());
    Some(to_text(&own))
}

/// The acceptance of a run below the current context. If the client does not trace, its span.
fn acceptance_here(run: &str) -> Option<SpanContext> {
    let context = Context::current();
    let here = context.span().span_context().clone();
    if !here.is_valid() {
        return None;
    }
    if !here.is_sampled() {
        return Some(here);
    }
    let state = here.trace_state().clone();
    Some(SpanContext::new(here.trace_id(), span_of(run), here.trace_flags(), true, state))
}

/// Notes that a run was accepted for the first time, which took so long.
pub fn accepted(run: &str, took: Duration) {
    let Some(traces) = traces() else { return };
    let Some(own) = acceptance_here(run) else { return };
    if !own.is_sampled() {
        return;
    }
    let ended = wall_now();
    let mut builder = SpanBuilder::from_name("accept run")
        .with_kind(SpanKind::Producer)
        .with_start_time(ended.checked_sub(took).unwrap_or(ended))
        .with_attributes([KeyValue::new(RUN_ID, run.to_owned())]);
    if own.trace_id() != trace_of(run) {
        // A replica that does not know the client's trace uses this one.
        builder = builder.with_links(vec![Link::with_context(acceptance(run))]);
    }
    let chosen = Chosen { trace: None, span: Some(own.span_id()) };
    traces.begin(builder, &Context::current(), chosen).span().end_with_timestamp(ended);
}

/// The span to which the work on a run belongs. `kept` is what the run's record keeps of it.
pub(super) fn parent_of(run: &str, kept: Option<&str>) -> SpanContext {
    let known = traces().and_then(|traces| traces.parents.of(run));
    known.or_else(|| kept.and_then(from_text)).unwrap_or_else(|| acceptance(run))
}

/// Begins an attempt at a run. None if the run is not traced.
#[must_use]
pub fn begin_run(run: &str, kept: Option<&str>, epoch: i32, attempt: i32) -> Option<Context> {
    let traces = traces()?;
    let parent = parent_of(run, kept);
    if !parent.is_sampled() || !traces.is_on_for(run) {
        return None;
    }
    let builder = SpanBuilder::from_name("process run").with_kind(SpanKind::Consumer).with_attributes([
        KeyValue::new(RUN_ID, run.to_owned()),
        KeyValue::new(RUN_EPOCH, i64::from(epoch)),
        KeyValue::new(RUN_ATTEMPT, i64::from(attempt)),
    ]);
    let context = traces.begin(builder, &remote(parent), Chosen::default());
    Some(context.with_value(StageUnderWay::default()))
}

/// Ends the attempt of the current task. `status` is a word of a closed set.
pub fn run_left(status: &'static str, code: Option<FailureCode>) {
    let context = Context::current();
    if !is_traced(&context) {
        return;
    }
    context.span().set_attribute(KeyValue::new(RUN_STATUS, status));
    if let Some(code) = code {
        fail(&context, code.as_str());
    }
    if let Some(stage) = context.get::<StageUnderWay>().and_then(|stage| stage.0.lock().take()) {
        if let Some(code) = code {
            fail(&stage, code.as_str());
        }
        stage.span().end();
    }
    context.span().end();
}

/// A stage begins in the current task.
pub fn stage_started(stage: Stage) {
    let context = Context::current();
    let (Some(traces), Some(under_way)) = (traces(), context.get::<StageUnderWay>()) else { return };
    let builder = SpanBuilder::from_name(format!("stage {}", stage.number()))
        .with_kind(SpanKind::Internal)
        .with_attributes([KeyValue::new(STAGE, i64::from(stage.number()))]);
    *under_way.0.lock() = Some(traces.begin(builder, &context, Chosen::default()));
}

/// The stage of the current task is stored.
pub fn stage_stored(meta: &StageMeta) {
    let context = Context::current();
    let Some(stage) = context.get::<StageUnderWay>().and_then(|stage| stage.0.lock().take()) else { return };
    stage.span().set_attributes([
        KeyValue::new(PROVIDER, meta.provider.clone()),
        KeyValue::new(COST_USD, meta.usage.cost_usd),
    ]);
    stage.span().end();
}

/// Notes the reading of the run's document.
pub fn document_read(is_ok: bool, took: Duration) {
    let Some(traces) = traces() else { return };
    let parent = current();
    if is_traced(&parent) {
        let error = (!is_ok).then_some("document_unreadable");
        traces.note(SpanBuilder::from_name("read document"), &parent, took, error);
    }
}

/// Notes the download of the run's document after so many attempts.
pub fn document_fetched(is_ok: bool, attempts: u32, took: Duration) {
    let Some(traces) = traces() else { return };
    let parent = current();
    if is_traced(&parent) {
        let builder = SpanBuilder::from_name("fetch document")
            .with_kind(SpanKind::Client)
            .with_attributes([KeyValue::new(ATTEMPTS, i64::from(attempts))]);
        traces.note(builder, &parent, took, (!is_ok).then_some("document_unavailable"));
    }
}
