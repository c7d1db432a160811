//! The fallback extractor: `pdf-extract`. It reads some fonts that the first engine cannot, and panics on
//! some files.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pdf_extract::{Document, PlainTextOutput, output_doc_page};

use crate::document::raw::RawPage;

/// A document opened by the fallback extractor.
pub(super) struct FallbackExtractor {
    document: Document,
    page_count: usize,
}

impl FallbackExtractor {
    /// Opens a document, or returns `None` if this engine cannot open it either.
    pub(super) fn open(bytes: &[u8]) -> Option<Self> {
        let document = guarded(|| {
            let mut document = Document::load_mem(bytes).ok()?;
            if document.is_encrypted() {
                document.decrypt("").ok()?;
            }
            Some(document)
        })?;
        let page_count = document.get_pages().len();
        Some(Self { document, page_count })
    }

    pub(super) const fn page_count(&self) -> usize {
        self.page_count
    }

    /// The page with this number, from 1, or `None` if this engine cannot read it.
    pub(super) fn page(&self, number: usize) -> Option<RawPage> {
        let number = u32::try_from(number).ok()?;
        let text = guarded(|| {
            let mut text = String::new();
            let mut output = PlainTextOutput::new(&mut text);
            output_doc_page(&self.document, &mut output, number).ok()?;
            Some(text)
        })?;
        let readable = readable_share(&text);
        Some(RawPage { readable, ..RawPage::new(text) })
    }
}

/// Runs code that panics on some damaged files. Only the isolated child process protects from an abort.
fn guarded<T>(read: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}

/// The share of printed characters that are not U+FFFD. It is 0 for an empty page, because nothing was read.
fn readable_share(text: &str) -> f64 {
    let (mut printed, mut unreadable) = (0_usize, 0_usize);
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        printed += 1;
        unreadable += usize::from(c == char::REPLACEMENT_CHARACTER || c.is_control());
    }
    if printed == 0 { 0.0 } else { 1.0 - unreadable as f64 / printed as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_no_answer() {
        assert_eq!(guarded::<()>(|| panic!("as the engine does")), None);
        assert!(FallbackExtractor::open(b"%PDF-1.4 nothing").is_none());
    }

    #[test]
    fn unread_characters_lower_the_share() {
        assert!((readable_share("a\u{fffd} b\u{fffd}") - 0.5).abs() < 1e-9);
        assert!(readable_share(" \n").abs() < 1e-9);
    }
}
