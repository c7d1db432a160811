//! Serde of an optional time in milliseconds; see [`pipeline::record::millis`].

use chrono::{DateTime, Utc};
use pipeline::record::millis;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer};

/// Writes the time, or null.
///
/// # Errors
///
/// The serializer fails.
#[allow(clippy::ref_option)] // What serde calls it with.
pub fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => millis::serialize(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// The schema of an optional time.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "format": "date-time"})
}

/// Reads a time, or null.
///
/// # Errors
///
/// The text is not a time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Option::deserialize(deserializer)
}
