//! Rows of the control plane travel as JSON texts.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::{StorageError, StorageErrorKind};

/// The text of a row, for a statement. It has no NUL, which PostgreSQL can store in no text: one in a name or a reason would
/// fail the whole statement, and would keep a record of the files out of the database for ever.
pub(in crate::postgres) fn text_of(value: &impl Serialize) -> Result<String, StorageError> {
    let value = serde_json::to_value(value);
    let value = value.map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))?;
    Ok(without_nul(value).to_string())
}

/// The row of a text.
pub(super) fn row_of<T: DeserializeOwned>(text: &str) -> Result<T, StorageError> {
    serde_json::from_str(text).map_err(|error| StorageError::new(StorageErrorKind::Schema, error.to_string()))
}

fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', "")),
        Value::Array(values) => Value::Array(values.into_iter().map(without_nul).collect()),
        Value::Object(fields) => {
            let clean = |(name, value): (String, Value)| (name.replace('\0', ""), without_nul(value));
            Value::Object(fields.into_iter().map(clean).collect())
        }
        plain => plain,
    }
}
