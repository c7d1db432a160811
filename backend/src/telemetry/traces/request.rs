//! The span of a request. It is made when it is known whether it belongs to a run: then the run's share decides, so that a traced
//! run's trace begins at its request.

use std::{
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use axum::http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanContext, SpanKind, TraceContextExt as _},
};

use super::{
    attributes::{HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS, REQUEST_ID, RUN_ID},
    ids::{Chosen, trace_of},
    parents::from_headers,
    tracer::{Traces, fail, is_traced, remote, traces},
};
use foundation::clock::wall_now;

/// Routes that probes ask all the time. Their spans would hide all others.
const PROBES: [&str; 3] = ["/health", "/api/health", "/metrics"];

/// A request that may be traced. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestTrace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The caller's span.
    parent: Option<SpanContext>,
    began: SystemTime,
    /// Set by the decision. None: the request is not traced.
    span: OnceLock<Option<Context>>,
}

/// How a request was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    pub method: &'static str,
    /// The template.
    pub route: &'a str,
    pub status: u16,
    pub request_id: &'a str,
    /// The code of the problem, if it is one.
    pub code: Option<&'static str>,
}

impl RequestTrace {
    /// None while no trace is exported.
    #[must_use]
    pub fn begin(headers: &HeaderMap) -> Option<Self> {
        traces()?;
        let inner = Inner { parent: from_headers(headers), began: wall_now(), span: OnceLock::new() };
        Some(Self(Arc::new(inner)))
    }

    /// The context for the work of a request that belongs to this run (or batch), by the run's share.
    #[must_use]
    pub fn of_run(&self, run: &str) -> Option<Context> {
        let chosen = Chosen { trace: Some(trace_of(run)), span: None };
        let span = self.0.span.get_or_init(|| self.decide(run, chosen)).clone();
        if let Some(context) = &span {
            context.span().set_attribute(KeyValue::new(RUN_ID, run.to_owned()));
        }
        // The client's word that it does not trace holds for the run, too.
        span.or_else(|| self.0.parent.clone().filter(|parent| !parent.is_sampled()).map(remote))
    }

    /// Ends the span.
    pub fn end(&self, answered: &Answered<'_>) {
        let Answered { method, route, status, request_id, code } = *answered;
        if PROBES.iter().any(|probe| route.starts_with(probe)) {
            return;
        }
        let Some(context) = self.0.span.get_or_init(|| self.decide(request_id, Chosen::default())) else {
            return;
        };
        let span = context.span();
        span.update_name(format!("{method} {route}"));
        span.set_attributes([
            KeyValue::new(HTTP_METHOD, if method == "OTHER" { "_OTHER" } else { method }),
            KeyValue::new(HTTP_ROUTE, route.to_owned()),
            KeyValue::new(HTTP_STATUS, i64::from(status)),
            KeyValue::new(REQUEST_ID, request_id.to_owned()),
        ]);
        if status >= 500 {
            fail(context, code.unwrap_or("internal_error"));
        }
        span.end();
    }

    fn decide(&self, id: &str, chosen: Chosen) -> Option<Context> {
        let traces: &Traces = traces()?;
        let parent = self.0.parent.clone();
        if parent.as_ref().is_some_and(|parent| !parent.is_sampled()) || !traces.is_on_for(id) {
            return None;
        }
        let parent = parent.map(remote).unwrap_or_default();
        let builder =
            SpanBuilder::from_name("HTTP").with_kind(SpanKind::Server).with_start_time(self.0.began);
        let context = traces.begin(builder, &parent, chosen);
        is_traced(&context).then_some(context)
    }
}
