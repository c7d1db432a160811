//! A cited quote, and what its look-up found.

use crate::stages::QuoteStatus;

/// A quote as somebody cited it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cited<'a> {
    pub(super) quote: &'a str,
    pub(super) page: u32,
}

/// What the look-up of a quote found.
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
