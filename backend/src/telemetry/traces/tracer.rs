//! The process's tracer. Without a collector there is none, and nothing is made, kept or sent.

use std::{
    fmt,
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use axum::http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanContext, Status, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};

use super::{
    attributes::ERROR_TYPE,
    collector::Collector,
    ids::{Chosen, Ids, with_ids},
    parents::Parents,
};
use foundation::clock::wall_now;

/// The most spans that wait for the exporter: 5 s of a process that stores 50 stages a second. Further ones are lost.
const QUEUE_MAX: usize = 4_096;

/// The most spans of one request to the collector.
const BATCH_MAX: usize = 512;

/// How long the last spans may take when the process stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

static TRACES: OnceLock<Traces> = OnceLock::new();

/// The settings of a tracer.
pub struct TraceSettings {
    /// The whole address of the collector.
    pub endpoint: String,
    /// Sent with each batch. They may hold a key.
    pub headers: HeaderMap,
    pub timeout: Duration,
    /// The longest time for which a finished span waits for its batch.
    pub delay: Duration,
    pub extra_ca_file: Option<PathBuf>,
    pub service_name: String,
    pub version: &'static str,
    pub environment: &'static str,
    pub replica: String,
    /// Whether a run, or a request that belongs to none, is traced, by its id.
    pub is_on_for: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceSettings").field("service_name", &self.service_name).finish_non_exhaustive()
    }
}

/// The tracer and the runs whose traces come from their clients.
pub(super) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    is_on_for: Box<dyn Fn(&str) -> bool + Send + Sync>,
    pub(super) parents: Parents,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

/// Starts to trace. A second call in one process changes nothing.
///
/// # Errors
///
/// The sentence says which setting is unusable.
pub fn start(settings: TraceSettings) -> Result<(), String> {
    if TRACES.get().is_some() {
        return Ok(());
    }
    let collector = Collector::new(settings.headers, settings.timeout, settings.extra_ca_file.as_deref())?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.endpoint)
        .with_timeout(settings.timeout)
        .build()
        .map_err(|_| "OTEL_EXPORTER_OTLP_ENDPOINT cannot be used; set an http or https address".to_owned())?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .with_scheduled_delay(settings.delay)
        .build();
    let resource = Resource::builder_empty()
        .with_service_name(settings.service_name)
        .with_attributes([
            KeyValue::new("service.version", settings.version),
            KeyValue::new("service.instance.id", settings.replica),
            KeyValue::new("deployment.environment.name", settings.environment),
        ])
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .with_id_generator(Ids::default())
        .with_resource(resource)
        .build();
    let tracer = provider.tracer("innovation-pipeline");
    let traces = Traces { provider, tracer, is_on_for: settings.is_on_for, parents: Parents::default() };
    // Of two at once, one counts.
    let _ = TRACES.set(traces);
    Ok(())
}

/// Sends the spans that are left, within a limit.
pub async fn shut_down() {
    let Some(traces) = TRACES.get() else { return };
    let flushing = tokio::task::spawn_blocking(move || traces.provider.shutdown_with_timeout(FLUSH_TIMEOUT));
    let flushed = tokio::time::timeout(FLUSH_TIMEOUT * 2, flushing).await;
    if !matches!(flushed, Ok(Ok(Ok(())))) {
        tracing::warn!(event = "traces_not_flushed", "the collector did not take the last spans in time");
    }
}

/// The tracer, if spans are exported.
pub(super) fn traces() -> Option<&'static Traces> {
    TRACES.get()
}

impl Traces {
    /// Whether the operator's flag wants this run, or this request without a run.
    pub(super) fn is_on_for(&self, id: &str) -> bool {
        (self.is_on_for)(id)
    }

    /// Makes a span below a parent. Without a parent, it is the first of a trace.
    pub(super) fn begin(&self, builder: SpanBuilder, parent: &Context, chosen: Chosen) -> Context {
        let span = with_ids(chosen, || self.tracer.build_with_context(builder, parent));
        parent.with_span(span)
    }

    /// Notes something that has just ended, and took so long.
    pub(super) fn note(
        &self,
        builder: SpanBuilder,
        parent: &Context,
        took: Duration,
        error: Option<&'static str>,
    ) {
        let ended = wall_now();
        let builder = builder.with_start_time(ended.checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH));
        let context = self.begin(builder, parent, Chosen::default());
        if let Some(error) = error {
            fail(&context, error);
        }
        context.span().end_with_timestamp(ended);
    }
}

/// A context whose span is somewhere else.
pub(super) fn remote(parent: SpanContext) -> Context {
    Context::new().with_remote_span_context(parent)
}

/// Marks a span as failed, with a code of a closed set. Messages stay out: they may quote content.
pub(super) fn fail(context: &Context, code: &'static str) {
    let span = context.span();
    span.set_attribute(KeyValue::new(ERROR_TYPE, code));
    span.set_status(Status::error(code));
}

/// Whether spans below this context are exported.
pub(super) fn is_traced(context: &Context) -> bool {
    context.span().span_context().is_sampled()
}
