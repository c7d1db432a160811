//! Paths to values within a reply.

use serde_json::Value;

/// The value at the end of a path such as `/choices/0`. Unlike a JSON pointer's, its names have no escapes, whose
/// replacement costs two allocations a name: each event of a stream is looked at in a dozen places.
pub(super) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').skip(1).try_fold(value, |value, name| match value {
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}
