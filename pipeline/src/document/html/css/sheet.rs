//! A style sheet that came with a page, in a file of its own.

/// A style sheet.
#[derive(Debug)]
pub(in crate::document) struct StyleSheet {
    /// The addresses by which the page may name it.
    pub(in crate::document) addresses: Vec<String>,
    pub(in crate::document) text: String,
}

impl StyleSheet {
    pub(in crate::document::html) fn is_at(&self, address: &str) -> bool {
        self.addresses.iter().any(|known| known == address.trim())
    }
}
