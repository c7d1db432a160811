//! The ids of spans. Those of a run's trace and of its acceptance are made of the run's id, so that every replica knows them
//! without asking a store.

use std::cell::Cell;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use sha2::{Digest as _, Sha256};

thread_local! {
    /// The ids of the span that this thread makes next.
    static NEXT: Cell<Chosen> = const { Cell::new(Chosen { trace: None, span: None }) };
}

/// Ids that the caller has chosen. The others are random.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chosen {
    /// It counts only for a span without a parent.
    pub(super) trace: Option<TraceId>,
    pub(super) span: Option<SpanId>,
}

/// Makes a span with these ids.
pub(super) fn with_ids<T>(chosen: Chosen, make: impl FnOnce() -> T) -> T {
    NEXT.set(chosen);
    let made = make();
    NEXT.set(Chosen::default());
    made
}

/// The acceptance of a run in the trace that is made of its id.
pub(super) fn acceptance(run: &str) -> SpanContext {
    SpanContext::new(trace_of(run), span_of(run), TraceFlags::SAMPLED, true, TraceState::default())
}

/// The trace of a run whose client brings none.
pub(super) fn trace_of(run: &str) -> TraceId {
    TraceId::from_bytes(first_bytes("innovation-pipeline trace", run))
}

/// The span of the run's acceptance, in whatever trace.
pub(super) fn span_of(run: &str) -> SpanId {
    SpanId::from_bytes(first_bytes("innovation-pipeline acceptance", run))
}

fn first_bytes<const N: usize>(subject: &str, run: &str) -> [u8; N] {
    let digest = Sha256::new().chain_update(subject).chain_update([0]).chain_update(run).finalize();
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    bytes
}

/// The chosen ids, or random ones.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().trace.unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().span.unwrap_or_else(|| self.0.new_span_id())
    }
}
