//! Traces by OTLP, if `OTEL_EXPORTER_OTLP_ENDPOINT` is set: request → run → stage → model call and stores → webhook.
//!
//! # Invariants
//!
//! * Without a collector, no span is made.
//! * No run and no request waits for the collector. Spans that it does not take are lost.
//! * A span holds ids, names of closed sets and numbers, never content.
//! * Every replica knows a run's trace: it is made of the run's id, or the client has brought it.

mod attributes;
mod collector;
mod ids;
mod model;
mod parents;
mod request;
mod run;
mod store;
mod tracer;
mod webhook;

pub use self::{
    model::{Asked, ModelCall, ParentIds, begin_model_call},
    request::{Answered, RequestTrace},
    run::{
        accepted, begin_run, document_fetched, document_read, kept_parent, run_left, stage_started,
        stage_stored, within,
    },
    store::store_called,
    tracer::{TraceSettings, shut_down, start},
    webhook::{WebhookRequest, WebhookTrace, begin_webhook},
};
