//! Evidence: quotes from the document, with the result of their look-up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A quote from the document, with the page it stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Word for word from the document.
    #[schemars(length(min = 1, max = 600))]
    pub quote: String,
    /// The page's number, from 1.
    #[serde(deserialize_with = "whole_number")]
    #[schemars(range(min = 1, max = 2000))]
    pub page: u32,
    /// Set by [`crate::grounding`], never by the analyst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("readOnly" = true))]
    pub status: Option<QuoteStatus>,
}

/// Reads any integer of JSON Schema, also `1.0` and `1e30`, and cuts it to the range of the type. An answer
/// must not fail for the spelling of a number. The checked schema has the bounds.
fn whole_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    if let Some(number) = number.as_u64() {
        return Ok(u32::try_from(number).unwrap_or(u32::MAX));
    }
    match number.as_f64() {
        // A cast from a float saturates.
        Some(float) if float.fract() == 0.0 => Ok(float as u32),
        _ => Err(serde::de::Error::custom("is no whole number")),
    }
}

/// The result of a quote's look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuoteStatus {
    /// Stands on the cited page, up to white space, ligatures, hyphenation and quotation marks.
    Verbatim,
    /// Stands on a page within the stated edit distance; the quote was replaced by the document's words.
    Near,
    /// Stands on another page; the page was corrected.
    WrongPage,
    /// Stands nowhere. The record keeps the quote, the report drops it, and it is counted.
    Absent,
}

impl QuoteStatus {
    /// Whether the document holds the quote.
    #[must_use]
    pub const fn is_verified(self) -> bool {
        !matches!(self, Self::Absent)
    }
}
