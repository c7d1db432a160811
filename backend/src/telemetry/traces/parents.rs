//! The traces that clients bring with `traceparent`, and the runs that belong to them.
//!
//! A row has no place for a trace. So the process that accepted a run remembers it, and the manifest in the files keeps it. A
//! replica that knows neither uses the trace that is made of the run's id; the acceptance links to it.

use std::collections::{HashMap, VecDeque};

use axum::http::HeaderMap;
use opentelemetry::{
    Context,
    propagation::TextMapPropagator as _,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use parking_lot::Mutex;

/// The most runs that are remembered, the oldest forgotten first: more than a process has under way, in about 2 MB.
const RUNS_MAX: usize = 10_000;

/// The runs whose trace is the client's.
#[derive(Debug, Default)]
pub(super) struct Parents(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_run: HashMap<String, SpanContext>,
    order: VecDeque<String>,
}

impl Parents {
    pub(super) fn remember(&self, run: &str, parent: SpanContext) {
        let mut known = self.0.lock();
        // A repeated request does not move the run to another trace.
        if known.by_run.contains_key(run) {
            return;
        }
        known.by_run.insert(run.to_owned(), parent);
        known.order.push_back(run.to_owned());
        while known.order.len() > RUNS_MAX {
            if let Some(oldest) = known.order.pop_front() {
                known.by_run.remove(&oldest);
            }
        }
    }

    pub(super) fn of(&self, run: &str) -> Option<SpanContext> {
        self.0.lock().by_run.get(run).cloned()
    }
}

/// The span of the caller, by the header `traceparent`. None without one, and if it is malformed.
pub(super) fn from_headers(headers: &HeaderMap) -> Option<SpanContext> {
    let found =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
    let parent = found.span().span_context().clone();
    parent.is_valid().then_some(parent)
}

/// Adds `traceparent`, and `tracestate` where the client has brought one.
pub(super) fn into_headers(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(headers));
}

/// The text of a `traceparent`.
pub(super) fn to_text(parent: &SpanContext) -> String {
    let flags = parent.trace_flags().to_u8() & TraceFlags::SAMPLED.to_u8();
    format!("00-{}-{}-{flags:02x}", parent.trace_id(), parent.span_id())
}

/// Reads what [`to_text`] has written.
pub(super) fn from_text(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let ("00", trace, span, flags, None) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next())
    else {
        return None;
    };
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let trace = TraceId::from_hex(trace).ok()?;
    let parent = SpanContext::new(trace, SpanId::from_hex(span).ok()?, flags, true, TraceState::default());
    parent.is_valid().then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_parent_reads_as_it_was_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = from_text(text).unwrap();
        assert!(parent.is_remote() && parent.is_sampled());
        assert_eq!(to_text(&parent), text);
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", text.parse().unwrap());
        assert_eq!(from_headers(&headers).unwrap().trace_id(), parent.trace_id());
        for bad in ["", "00-0-0-01", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"] {
            assert!(from_text(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_oldest_runs_are_forgotten_first() {
        let (parents, parent) = (
            Parents::default(),
            from_text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").unwrap(),
        );
        for run in 0..=RUNS_MAX {
            parents.remember(&run.to_string(), parent.clone());
        }
        assert!(parents.of("0").is_none() && parents.of("1").is_some());
    }
}
