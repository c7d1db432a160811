//! Evidence: quotes from the document, with the result of their look-up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Area;

/// A quote from the document, with the page it stands on.
///
/// The analyst gives `quote` and `page`. All else is the pipeline's: where it finds the quote, it replaces `quote`
/// by the slice of the page's text from `start` to `end`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(description = "A quote from the document, with the page it stands on.")]
pub struct Evidence {
    /// Word for word from the document.
    #[schemars(length(min = 1, max = 600))]
    pub quote: String,
    /// The page's number, from 1.
    #[serde(deserialize_with = "whole_number")]
    #[schemars(range(min = 1, max = 2000))]
    pub page: u32,
    /// The name that the document itself gives the page: a sheet, a chapter, a printed page number such as `iv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("readOnly" = true))]
    pub label: Option<String>,
    /// Set by [`crate::grounding`], never by the analyst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("readOnly" = true))]
    pub status: Option<QuoteStatus>,
    /// The first character of the quote in the page's text, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("readOnly" = true))]
    pub start: Option<u32>,
    /// The character of the page's text after the quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("readOnly" = true))]
    pub end: Option<u32>,
    /// Whether the quote begins or ends inside a sentence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("readOnly" = true))]
    pub fragment: bool,
    /// Whether the page's text was recognised in a picture of it (OCR), so that single letters may be wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("readOnly" = true))]
    pub recognised: bool,
    /// The places of the quote's lines on the page, where the format has places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("readOnly" = true))]
    pub boxes: Vec<QuoteArea>,
}

impl Evidence {
    /// A quote as an analyst cites it.
    #[must_use]
    pub fn cited(quote: impl Into<String>, page: u32) -> Self {
        Self { quote: quote.into(), page, ..Self::default() }
    }
}

/// A rectangle on a page, in whole points (1/72 inch) from the page's upper left corner as a reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuoteArea {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl QuoteArea {
    /// The smallest rectangle of whole points around an area.
    #[must_use]
    pub fn around(area: Area) -> Self {
        // A cast from a float saturates, and takes what is no number for 0.
        Self {
            left: area.left.floor() as i32,
            top: area.top.floor() as i32,
            right: area.right.ceil() as i32,
            bottom: area.bottom.ceil() as i32,
        }
    }
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
    /// Stands on a page up to slips of the pen, within the stated edit distance.
    Near,
    /// Stands on another page; the page was corrected.
    WrongPage,
    /// Stands only in text that a reader of the document does not see. No report shows it.
    Hidden,
    /// Stands nowhere. The record keeps the quote, no report shows it, and it is counted.
    Absent,
}

impl QuoteStatus {
    /// Whether a reader of the document finds the quote there.
    #[must_use]
    pub const fn is_verified(self) -> bool {
        !matches!(self, Self::Absent | Self::Hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_earlier_releases_stay_as_they_are() {
        let old = serde_json::json!({"quote": "a", "page": 2, "status": "near"});
        let read: Evidence = serde_json::from_value(old.clone()).unwrap();
        assert_eq!(read, Evidence { status: Some(QuoteStatus::Near), ..Evidence::cited("a", 2) });
        assert_eq!(serde_json::to_value(&read).unwrap(), old, "its digest is the same");
    }

    #[test]
    fn areas_are_rounded_outwards() {
        let area = Area { left: 10.4, top: -0.2, right: 99.1, bottom: f32::NAN };
        assert_eq!(QuoteArea::around(area), QuoteArea { left: 10, top: -1, right: 100, bottom: 0 });
    }
}
