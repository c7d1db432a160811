//! The result of a format's reader, before the steps that all formats share.

/// A document as its format's reader found it.
#[derive(Debug, Default)]
pub(super) struct RawDocument {
    pub(super) title: Option<String>,
    pub(super) pages: Vec<RawPage>,
    pub(super) warnings: Vec<String>,
}

/// A page or section, before its white space is normalised.
#[derive(Debug)]
pub(super) struct RawPage {
    pub(super) text: String,
    /// The share of its characters that could be read.
    pub(super) readable: f64,
}

impl RawPage {
    /// A page whose characters can all be read, or are already U+FFFD.
    pub(super) fn new(text: String) -> Self {
        Self { text, readable: 1.0 }
    }
}
