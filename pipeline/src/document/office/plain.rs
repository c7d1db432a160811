//! Plain text in office files and tables, decoded.

use crate::document::{error::DocumentError, text};

/// The text, and warnings about characters that could not be decoded.
pub(in crate::document) fn decoded(bytes: &[u8]) -> Result<(String, Vec<String>), DocumentError> {
    let text = text::decode(bytes);
    let warnings = text::warnings(&text);
    Ok((text, warnings))
}
