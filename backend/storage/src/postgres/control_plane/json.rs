//! Rows of the control plane travel as JSON texts.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{StorageError, StorageErrorKind};

/// The text of a row, for a statement.
pub(super) fn text_of(value: &impl Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value)
        .map_err(|error| StorageError::new(StorageErrorKind::Invalid, error.to_string()))
}

/// The row of a text.
pub(super) fn row_of<T: DeserializeOwned>(text: &str) -> Result<T, StorageError> {
    serde_json::from_str(text).map_err(|error| StorageError::new(StorageErrorKind::Schema, error.to_string()))
}
