//! The span of a webhook. It belongs to the run's trace, also hours later and in another replica.

use axum::http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanKind, TraceContextExt as _},
};

use super::{
    attributes::{ATTEMPTS, HTTP_METHOD, RUN_ID, SERVER_ADDRESS, WEBHOOK_EVENT, WEBHOOK_OUTCOME},
    ids::{Chosen, acceptance},
    parents::into_headers,
    run::parent_of,
    tracer::{fail, is_traced, remote, traces},
};

/// A webhook that is to be sent.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRequest<'a> {
    pub run: &'a str,
    /// The trace that the run's record keeps.
    pub kept: Option<&'a str>,
    pub event: &'static str,
    pub route: &'a str,
    pub attempt: i32,
    pub host: Option<&'a str>,
}

/// A webhook under way.
#[derive(Debug)]
pub struct WebhookTrace(Option<Context>);

/// Begins the request of a webhook.
#[must_use]
pub fn begin_webhook(request: &WebhookRequest<'_>) -> WebhookTrace {
    let WebhookRequest { run, kept, event, route, attempt, host } = *request;
    let Some(traces) = traces() else { return WebhookTrace(None) };
    let parent = parent_of(run, kept);
    if !parent.is_sampled() || !traces.is_on_for(run) {
        // The receiver may belong to the client's trace all the same.
        let is_clients = parent.trace_id() != acceptance(run).trace_id();
        return WebhookTrace(is_clients.then(|| remote(parent)));
    }
    let mut attributes = vec![
        KeyValue::new(HTTP_METHOD, "POST"),
        KeyValue::new(RUN_ID, run.to_owned()),
        KeyValue::new(WEBHOOK_EVENT, event),
        KeyValue::new(ATTEMPTS, i64::from(attempt)),
    ];
    attributes.extend(host.map(|host| KeyValue::new(SERVER_ADDRESS, host.to_owned())));
    let builder = SpanBuilder::from_name(format!("POST /api/pipeline/{{run_id}}/{route}"))
        .with_kind(SpanKind::Client)
        .with_attributes(attributes);
    WebhookTrace(Some(traces.begin(builder, &remote(parent), Chosen::default())))
}

impl WebhookTrace {
    /// Adds `traceparent` to the request.
    pub fn write(&self, headers: &mut HeaderMap) {
        if let Some(context) = &self.0 {
            into_headers(context, headers);
        }
    }

    /// The receiver has taken the event, or the code says why not.
    pub fn end(self, outcome: &'static str, error: Option<&'static str>) {
        let Some(context) = self.0.filter(is_traced) else { return };
        context.span().set_attribute(KeyValue::new(WEBHOOK_OUTCOME, outcome));
        if let Some(error) = error {
            fail(&context, error);
        }
        context.span().end();
    }
}
