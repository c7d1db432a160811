//! The spans of calls to the stores.

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind},
};
use storage::observer::StoreName;

use super::{
    attributes::{DB_OPERATION, DB_SYSTEM, FILE_OPERATION},
    run::current,
    tracer::{is_traced, traces},
};

/// Notes a call to a store that has just ended, if the current task is traced.
pub fn store_called(store: StoreName, operation: &'static str, took: Duration, error: Option<&'static str>) {
    let Some(traces) = traces() else { return };
    let parent = current();
    if !is_traced(&parent) {
        return;
    }
    let builder = match store {
        StoreName::Database => {
            SpanBuilder::from_name(operation).with_kind(SpanKind::Client).with_attributes([
                KeyValue::new(DB_SYSTEM, "postgresql"),
                KeyValue::new(DB_OPERATION, operation),
            ])
        }
        StoreName::File => SpanBuilder::from_name(format!("files {operation}"))
            .with_attributes([KeyValue::new(FILE_OPERATION, operation)]),
    };
    traces.note(builder, &parent, took, error);
}
