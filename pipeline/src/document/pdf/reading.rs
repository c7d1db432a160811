//! The pages read so far, and the checks and warnings of the whole document.

use super::{
    fallback_extractor::FallbackExtractor, layout, sight::Drawn, soft_hyphens, title, verdict::Verdict,
};
use crate::document::{
    error::DocumentError,
    limits::TEXT_BYTES_MAX,
    raw::{RawDocument, RawPage},
};

/// Below this readable share a page is read by the fallback extractor too.
const READABLE_ENOUGH: f64 = 0.8;
/// How many first pages may hold the title: it stands on the cover or right after it.
const HEADING_PAGES: usize = 2;

/// The pages read so far, and facts for the warnings.
pub(super) struct Reading<'b> {
    bytes: &'b [u8],
    /// Opened when the first page needs it. The inner `None` means that it cannot be opened.
    fallback: Option<Option<FallbackExtractor>>,
    document: RawDocument,
    text_bytes: usize,
    verdict: Verdict,
    heading: Option<String>,
}

impl<'b> Reading<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            fallback: None,
            document: RawDocument::default(),
            text_bytes: 0,
            verdict: Verdict::default(),
            heading: None,
        }
    }

    /// The number of the page that is added next.
    pub(super) fn next_number(&self) -> usize {
        self.document.pages.len() + 1
    }

    pub(super) fn add(&mut self, drawn: Drawn, label: Option<String>) -> Result<(), DocumentError> {
        let number = self.next_number();
        let glyphs = &drawn.shown;
        if glyphs.overflowed {
            return Err(DocumentError::TooLarge(format!("page {number} draws too many characters")));
        }
        let mut page = RawPage {
            readable: glyphs.readable(),
            is_recognised: drawn.is_recognised,
            ..layout::page(glyphs)
        };
        if page.readable < READABLE_ENOUGH
            && glyphs.unmapped > glyphs.pictures
            // The second engine does not tell hidden text from seen text.
            && drawn.hidden.is_empty()
            && let Some(object) = drawn.object
            && let Some(better) =
                self.ask_fallback(object).and_then(|other| other.instead_of(&page, glyphs.printed))
        {
            page = better;
            self.verdict.by_fallback.push(number);
        }
        page.label = label;
        soft_hyphens::join(&mut page);
        if self.heading.is_none() && number <= HEADING_PAGES {
            self.heading = title::from_page(glyphs);
        }
        self.text_bytes += page.text.len();
        if self.text_bytes > TEXT_BYTES_MAX {
            return Err(DocumentError::TooLarge(format!("more than {TEXT_BYTES_MAX} bytes of text")));
        }
        self.verdict.note(number, glyphs, &page);
        self.verdict.comments += drawn.comments;
        self.verdict.note_hidden(number, drawn.hidden);
        self.document.pages.push(page);
        Ok(())
    }

    fn ask_fallback(&mut self, object: u32) -> Option<super::fallback_extractor::FallbackPage> {
        self.fallback.get_or_insert_with(|| FallbackExtractor::open(self.bytes)).as_ref()?.page_of(object)
    }

    pub(super) fn finish(mut self, title: Option<String>) -> Result<RawDocument, DocumentError> {
        if self.document.pages.is_empty() {
            return Err(DocumentError::Corrupt("it has no pages".to_owned()));
        }
        self.verdict.speak(&mut self.document)?;
        self.document.title = title.or(self.heading);
        Ok(self.document)
    }
}
