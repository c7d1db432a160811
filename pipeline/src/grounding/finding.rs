//! A cited quote, and the result of its look-up.

use crate::stages::QuoteStatus;

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
    /// The cited page, or the one on which the quote really stands.
    pub(super) page: u32,
    /// The document's own words, for a near match.
    pub(super) words: Option<String>,
}

impl Finding {
    pub(super) const fn new(status: QuoteStatus, page: u32) -> Self {
        Self { status, page, words: None }
    }
}
