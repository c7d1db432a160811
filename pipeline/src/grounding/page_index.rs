//! A document's pages, prepared for looking up quotes.

use super::normalise::Skeleton;
use crate::document::{Document, Page};

/// The bytes of a page's end or beginning that are searched for quotes across a border. They hold twice the
/// longest quote that the schemas allow (600 characters).
pub(super) const JOINT_BYTES: usize = 2_400;

/// A document's pages, prepared once for looking up many quotes.
#[derive(Debug)]
pub struct PageIndex {
    pub(super) pages: Vec<IndexedPage>,
}

#[derive(Debug)]
pub(super) struct IndexedPage {
    pub(super) number: u32,
    pub(super) text: String,
    /// The text without running headers and footers, if there are any.
    pub(super) body: Option<String>,
    pub(super) skeleton: Skeleton,
    /// For the joint of two pages, the skeleton's byte at which the second begins. A match must span it.
    pub(super) border: Option<usize>,
}

impl IndexedPage {
    pub(super) fn new(page: &Page) -> Self {
        Self {
            number: page.number,
            text: page.text.clone(),
            body: (!page.running_header_lines.is_empty()).then(|| page.body()),
            skeleton: Skeleton::new(&page.text),
            border: None,
        }
    }

    /// Whether a match at the skeleton's bytes `start..end` counts.
    pub(super) fn admits(&self, start: usize, end: usize) -> bool {
        self.border.is_none_or(|border| start < border && border < end)
    }

    pub(super) fn body(&self) -> &str {
        self.body.as_ref().unwrap_or(&self.text)
    }
}

impl PageIndex {
    /// Normalises every page of the document.
    #[must_use]
    pub fn new(document: &Document) -> Self {
        Self { pages: document.pages.iter().map(IndexedPage::new).collect() }
    }

    pub(super) fn page(&self, number: u32) -> Option<&IndexedPage> {
        self.pages.iter().find(|page| page.number == number)
    }

    /// The cited page's joints with the page before and the page after.
    pub(super) fn joints(&self, cited: u32) -> Vec<IndexedPage> {
        [cited.saturating_sub(1), cited]
            .into_iter()
            .filter_map(|first| {
                let first_end = end_of(self.page(first)?.body().trim_end());
                let text = format!("{first_end}\n{}", start_of(self.page(first + 1)?.body().trim_start()));
                let skeleton = Skeleton::new(&text);
                Some(IndexedPage {
                    number: cited,
                    border: Some(skeleton.byte_of(first_end.len())),
                    skeleton,
                    body: None,
                    text,
                })
            })
            .collect()
    }
}

/// The last [`JOINT_BYTES`] of a page, from the start of a word.
pub(super) fn end_of(text: &str) -> &str {
    let tail = text.get(text.ceil_char_boundary(text.len().saturating_sub(JOINT_BYTES))..).unwrap_or(text);
    if tail.len() == text.len() {
        return tail;
    }
    tail.find(char::is_whitespace).and_then(|at| tail.get(at..)).unwrap_or_default()
}

/// The first [`JOINT_BYTES`] of a page, to the end of a word.
pub(super) fn start_of(text: &str) -> &str {
    let head = text.get(..text.floor_char_boundary(JOINT_BYTES)).unwrap_or(text);
    if head.len() == text.len() {
        return head;
    }
    head.rfind(char::is_whitespace).and_then(|at| head.get(..at)).unwrap_or_default()
}
