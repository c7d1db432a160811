//! The fallback extractor: `pdf-extract`. It reads some fonts that the first engine cannot, and panics on
//! some files.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use memchr::memmem;
use pdf_extract::{Document, PlainTextOutput, output_doc_page};

use crate::document::raw::RawPage;

/// A document opened by the fallback extractor.
pub(super) struct FallbackExtractor {
    document: Document,
    /// The number of each page by the number of its object.
    numbers: HashMap<u32, u32>,
    page_count: usize,
}

/// A page as this engine reads it.
pub(super) struct FallbackPage(RawPage);

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
        let pages = document.get_pages();
        let numbers = pages.iter().map(|(number, (object, _))| (*object, *number)).collect();
        Some(Self { page_count: pages.len(), document, numbers })
    }

    pub(super) const fn page_count(&self) -> usize {
        self.page_count
    }

    /// The page of this object, or `None` if this engine cannot read it.
    pub(super) fn page_of(&self, object: u32) -> Option<FallbackPage> {
        self.page(*self.numbers.get(&object)? as usize).map(FallbackPage)
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

impl FallbackPage {
    /// This page, if it gives more letters than `page` and loses none of its words. `printed` glyphs stand on
    /// the page, so that fewer characters than that are no full reading.
    pub(super) fn instead_of(self, page: &RawPage, printed: usize) -> Option<RawPage> {
        let mut own = self.0;
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
        let read =
            own.text.chars().filter(|c| !c.is_whitespace() && *c != char::REPLACEMENT_CHARACTER).count();
        own.readable = own.readable.min(read as f64 / printed.max(1) as f64);
        let gains = own.readable > page.readable && letters(&own.text) > letters(&page.text);
        (gains && keeps_words(&page.text, &own.text)).then_some(own)
    }
}

/// Whether nearly all words of one text stand in the other, however that divides its words.
fn keeps_words(text: &str, other: &str) -> bool {
    const WORDS_MAX: usize = 400;
    const KEPT_MIN: f64 = 0.9;
    let other: String = other.split_whitespace().collect();
    let words =
        || text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2).take(WORDS_MAX);
    let kept = words().filter(|word| memmem::find(other.as_bytes(), word.as_bytes()).is_some()).count();
    kept as f64 >= KEPT_MIN * words().count() as f64
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
    fn lost_words_are_no_gain() {
        let page =
            RawPage { readable: 0.4, ..RawPage::new("seventy percent \u{fffd}\u{fffd}\u{fffd}".to_owned()) };
        let other = |text: &str| FallbackPage(RawPage::new(text.to_owned()));
        assert!(other("seventy").instead_of(&page, 17).is_none());
        assert!(other("entirely different words here").instead_of(&page, 17).is_none());
        let better = other("seven ty percent of all").instead_of(&page, 19).unwrap();
        assert!((better.readable - 1.0).abs() < 1e-9);
        assert!(other("seventy percent of all").instead_of(&page, 100).is_none(), "most is still missing");
    }

    #[test]
    fn unread_characters_lower_the_share() {
        assert!((readable_share("a\u{fffd} b\u{fffd}") - 0.5).abs() < 1e-9);
        assert!(readable_share(" \n").abs() < 1e-9);
    }
}
