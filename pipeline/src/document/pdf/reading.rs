//! The pages read so far, and the checks and warnings of the whole document.

use super::{block::Block, fallback_extractor::FallbackExtractor, glyph::GlyphPage, order, segment, title};
use crate::document::{
    error::DocumentError,
    limits::TEXT_BYTES_MAX,
    raw::{RawDocument, RawPage},
};

/// Below this readable share a page is read by the fallback extractor too.
const READABLE_ENOUGH: f64 = 0.8;
/// Below this readable share, the whole document counts as unreadable.
const DOCUMENT_READABLE_MIN: f64 = 0.5;
/// A page with an image of at least this share of its area and fewer letters than `SCAN_LETTERS_MAX` is a scan.
const SCAN_IMAGE_SHARE: f64 = 0.5;
const SCAN_LETTERS_MAX: usize = 40;
/// How many first pages may hold the title: it stands on the cover or right after it.
const HEADING_PAGES: usize = 2;

/// The text of a page in reading order. Its main writing direction comes first, turned text after it.
fn text_of(page: &GlyphPage) -> String {
    let texts: Vec<String> = segment::frames(page).iter().map(text_of_frame).collect();
    texts.join("\n\n")
}

pub(super) fn text_of_frame(frame: &segment::Frame) -> String {
    let mut text = String::new();
    let mut last: Option<Block<'_>> = None;
    for block in order::blocks(frame) {
        let block_text = block.text();
        if let Some(last) = &last {
            let joined = block.continues_table(last) || runs_on(&text, &block_text);
            text.push_str(if joined { "\n" } else { "\n\n" });
        }
        text.push_str(&block_text);
        last = Some(block);
    }
    text
}

/// Whether a sentence continues from the end of one column to the start of the next.
fn runs_on(before: &str, after: &str) -> bool {
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    let open = last_line
        .chars()
        .next_back()
        .is_some_and(|c| c.is_lowercase() || matches!(c, ',' | '-' | '\u{2010}'));
    // A short line is a caption or a heading, not the end of a full column.
    open && last_line.len() > 20
        && after.chars().next().is_some_and(|c| c.is_lowercase() || c.is_ascii_digit())
}

/// The pages read so far, and facts for the warnings.
pub(super) struct Reading<'b> {
    bytes: &'b [u8],
    /// Opened when the first page needs it. The inner `None` means that it cannot be opened.
    fallback: Option<Option<FallbackExtractor>>,
    document: RawDocument,
    text_bytes: usize,
    printed: usize,
    unread: f64,
    scanned: Vec<usize>,
    by_fallback: Vec<usize>,
    heading: Option<String>,
}

impl<'b> Reading<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self {
            bytes,
            fallback: None,
            document: RawDocument::default(),
            text_bytes: 0,
            printed: 0,
            unread: 0.0,
            scanned: Vec::new(),
            by_fallback: Vec::new(),
            heading: None,
        }
    }

    pub(super) fn add(&mut self, glyphs: &GlyphPage) -> Result<(), DocumentError> {
        let number = self.document.pages.len() + 1;
        if glyphs.overflowed {
            return Err(DocumentError::TooLarge(format!("page {number} draws too many characters")));
        }
        let mut page = RawPage { readable: glyphs.readable(), ..RawPage::new(text_of(glyphs)) };
        if page.readable < READABLE_ENOUGH
            && let Some(better) = self.ask_fallback(number).filter(|other| other.readable > page.readable)
        {
            page = better;
            self.by_fallback.push(number);
        }
        let letters = page.text.chars().filter(|c| c.is_alphanumeric()).count();
        if glyphs.image_share >= SCAN_IMAGE_SHARE && letters < SCAN_LETTERS_MAX {
            self.scanned.push(number);
        }
        if self.heading.is_none() && number <= HEADING_PAGES {
            self.heading = title::from_page(glyphs);
        }
        self.text_bytes += page.text.len();
        if self.text_bytes > TEXT_BYTES_MAX {
            return Err(DocumentError::TooLarge(format!("more than {TEXT_BYTES_MAX} bytes of text")));
        }
        self.printed += glyphs.printed;
        self.unread += glyphs.printed as f64 * (1.0 - page.readable);
        self.document.pages.push(page);
        Ok(())
    }

    fn ask_fallback(&mut self, number: usize) -> Option<RawPage> {
        self.fallback.get_or_insert_with(|| FallbackExtractor::open(self.bytes)).as_ref()?.page(number)
    }

    pub(super) fn finish(mut self, title: Option<String>) -> Result<RawDocument, DocumentError> {
        let pages = self.document.pages.len();
        if pages == 0 {
            return Err(DocumentError::Corrupt("it has no pages".to_owned()));
        }
        if self.printed > 0 && self.unread > (1.0 - DOCUMENT_READABLE_MIN) * self.printed as f64 {
            return Err(DocumentError::NoText(
                "its fonts do not say which characters they show; export it again or run OCR on it"
                    .to_owned(),
            ));
        }
        let blank = self.document.pages.iter().filter(|page| page.text.is_empty()).count();
        let scans_with_text = self.scanned.iter().filter(|number| !self.is_blank(**number)).count();
        if !self.scanned.is_empty() && blank + scans_with_text == pages {
            return Err(DocumentError::NoText(
                "its pages are scanned images without a text layer; run OCR on it first".to_owned(),
            ));
        }
        let warnings = &mut self.document.warnings;
        if !self.scanned.is_empty() {
            warnings.push(format!(
                "{} looks scanned or is all image; what the image says was not read.",
                page_list(&self.scanned)
            ));
        }
        if !self.by_fallback.is_empty() {
            warnings.push(format!(
                "{} was read by the second engine, because the fonts hide their characters from the first.",
                page_list(&self.by_fallback)
            ));
        }
        self.document.title = title.or(self.heading);
        Ok(self.document)
    }

    fn is_blank(&self, number: usize) -> bool {
        self.document.pages.get(number - 1).is_none_or(|page| page.text.is_empty())
    }
}

/// "Page 3", "Pages 3, 5 and 8", "Pages 3, 5, 8, 9, 10 and 12 more".
fn page_list(numbers: &[usize]) -> String {
    const NAMED_MAX: usize = 5;
    let named: Vec<String> = numbers.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match (numbers.len(), named.split_last()) {
        (_, None) => String::new(),
        (1, Some((only, _))) => format!("Page {only}"),
        (count, Some((last, first))) if count <= NAMED_MAX => {
            format!("Each of pages {} and {last}", first.join(", "))
        }
        (count, Some(_)) => format!("Each of pages {} and {} more", named.join(", "), count - NAMED_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_continues_in_the_next_column() {
        assert!(runs_on("the first column ends with an open", "sentence that goes on"));
        assert!(!runs_on("the first column ends with a stop.", "sentence"));
        assert!(!runs_on("the first column ends with an open", "Heading"));
        assert!(runs_on("the panel was in the field from 2 to", "27 March 2026; and"));
        assert!(!runs_on("a caption", "and"));
    }

    #[test]
    fn lists_of_pages_stay_short() {
        assert_eq!(page_list(&[3]), "Page 3");
        assert_eq!(page_list(&[3, 5]), "Each of pages 3 and 5");
        assert_eq!(page_list(&[1, 2, 3, 4, 5, 6, 7]), "Each of pages 1, 2, 3, 4, 5 and 2 more");
    }
}
