//! What the readers of the formats hand over, before the work that all formats share.

/// A document as its format's reader found it.
#[derive(Debug, Default)]
pub(super) struct RawDocument {
    pub(super) title: Option<String>,
    pub(super) pages: Vec<RawPage>,
    pub(super) warnings: Vec<String>,
}

/// A page or section: its text, not yet tidied.
#[derive(Debug)]
pub(super) struct RawPage {
    pub(super) text: String,
    /// The share of its characters that could be read.
    pub(super) readable: f64,
}

impl RawPage {
    /// A page of a format in which every character can be read, or is already U+FFFD.
    pub(super) fn new(text: String) -> Self {
        Self { text, readable: 1.0 }
    }
}
