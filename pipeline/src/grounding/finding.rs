//! A cited quote, and the result of its look-up.

use crate::stages::{QuoteArea, QuoteStatus};

/// A quote as the analyst cited it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cited<'a> {
    pub(super) quote: &'a str,
    pub(super) page: u32,
}

/// The result of a quote's look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) status: QuoteStatus,
    /// The page on which the slice stands, or the cited page of a quote that stands nowhere.
    pub(super) page: u32,
    /// The document's own words. None if the quote is absent or hidden.
    pub(super) slice: Option<Slice>,
}

/// A slice of a page's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    /// In characters of the page's text.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) text: String,
    /// It begins or ends inside a sentence.
    pub(super) is_fragment: bool,
    /// The places of its lines.
    pub(super) areas: Vec<QuoteArea>,
}

impl Finding {
    pub(super) const fn without_slice(status: QuoteStatus, page: u32) -> Self {
        Self { status, page, slice: None }
    }
}
