//! Links from the page to the document.

use crate::document::Format;

/// The places to which quotes may link.
#[derive(Debug, Clone, Copy, Default)]
pub struct SourceLinks<'a> {
    /// Whether the service keeps the document, so that it shows pages of it.
    pub is_kept: bool,
    /// The document's address, if everybody may see it.
    pub document_url: Option<&'a str>,
}

impl SourceLinks<'_> {
    /// The picture of a page, relative to the report. Only a PDF has pictures.
    pub(super) fn picture(&self, format: Format, page: u32) -> Option<String> {
        (self.is_kept && format == Format::Pdf).then(|| format!("pages/{page}"))
    }

    /// A quote marked on the picture of its page, relative to the report.
    pub(super) fn marked(&self, format: Format, label: &str) -> Option<String> {
        (self.is_kept && format == Format::Pdf).then(|| format!("evidence/{label}"))
    }

    /// The page in the document itself: in the kept one, else at its address. Only viewers of PDF understand `#page=`.
    pub(super) fn original(&self, format: Format, page: u32) -> Option<String> {
        let at_address = self.document_url.filter(|address| is_shareable(address));
        let address = if self.is_kept { "document" } else { at_address? };
        Some(if format == Format::Pdf { format!("{address}#page={page}") } else { address.to_owned() })
    }
}

/// Whether an address leads to the web and can hold no secret: no user, no query, no fragment.
fn is_shareable(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("https://") else { return false };
    !rest.is_empty()
        && !rest.contains(['?', '#', '@', '\\', '"', '<', '>'])
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_without_secrets_are_linked() {
        let url =
            |address| SourceLinks { is_kept: false, document_url: Some(address) }.original(Format::Pdf, 7);
        assert_eq!(url("https://a.example/b.pdf").as_deref(), Some("https://a.example/b.pdf#page=7"));
        for address in [
            "https://a.example/b.pdf?token=secret",
            "https://user:secret@a.example/b.pdf",
            "https://a.example/b.pdf#x",
            "http://a.example/b.pdf",
            "javascript:alert(1)",
            "https://",
            "https://a.example/b c",
        ] {
            assert_eq!(url(address), None, "{address}");
        }
    }

    #[test]
    fn a_kept_document_shows_its_pages() {
        let kept = SourceLinks { is_kept: true, document_url: Some("https://a.example/b.docx") };
        assert_eq!(kept.picture(Format::Pdf, 3).as_deref(), Some("pages/3"));
        assert_eq!(kept.picture(Format::Docx, 3), None);
        assert_eq!(kept.marked(Format::Pdf, "E2").as_deref(), Some("evidence/E2"));
        assert_eq!(kept.original(Format::Docx, 3).as_deref(), Some("document"));
        assert_eq!(kept.original(Format::Pdf, 3).as_deref(), Some("document#page=3"));
        assert_eq!(SourceLinks::default().picture(Format::Pdf, 3), None);
    }
}
