//! Serde of a time in milliseconds that there may be none of; as [`pipeline::record::millis`].

use chrono::{DateTime, Utc};
use pipeline::record::millis;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer};

#[allow(clippy::ref_option)] // What serde calls it with.
pub fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => millis::serialize(at, serializer),
        None => serializer.serialize_none(),
    }
}

pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "format": "date-time"})
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Option::deserialize(deserializer)
}
