//! A document's pages, prepared for looking up quotes.

use std::{ops::Range, sync::OnceLock};

use super::{
    lines::{PageLines, joins_next},
    normalise::Skeleton,
    number_set::NumberSet,
};
use crate::document::{Document, Page};

/// The bytes of a page's end or beginning that are searched for quotes across a border. They hold twice the
/// longest quote that the schemas allow (600 characters).
pub(super) const JOINT_BYTES: usize = 2_400;

/// The most hidden text that is searched. It exceeds what honest documents hide.
const HIDDEN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The bytes of a page whose numbers are read. Beyond them, a number counts where a verified quote holds it. Only
/// huge sheets have as much.
const NUMBERS_BYTES_MAX: usize = 1024 * 1024;

/// The longest name of a page that evidence keeps. A chapter's heading may be a whole paragraph.
const LABEL_CHARS_MAX: usize = 120;

/// A document's pages, prepared once for looking up many quotes.
#[derive(Debug)]
pub struct PageIndex {
    pub(super) pages: Vec<IndexedPage>,
    /// Text that no reader of the document sees.
    pub(super) hidden: Vec<SearchedText>,
}

/// A text in which quotes are looked up.
#[derive(Debug)]
pub(super) struct SearchedText {
    /// The number of its page.
    pub(super) number: u32,
    pub(super) text: String,
    pub(super) skeleton: Skeleton,
    pub(super) joint: Option<Joint>,
}

/// The place at which the end of a page and the beginning of the next were put together. A match must span it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joint {
    /// The skeleton's byte at which the second page begins.
    border: usize,
    /// The bytes of the first page's end in the joint's text.
    pub(super) first_length: usize,
    /// The number of the first page.
    pub(super) first: u32,
    /// The byte of the first page's text at which the joint begins.
    pub(super) first_start: usize,
    /// The byte of the second page's text that follows the border.
    pub(super) second_start: usize,
}

#[derive(Debug)]
pub(super) struct IndexedPage {
    pub(super) searched: SearchedText,
    pub(super) lines: PageLines,
    /// The name that the document gives the page.
    pub(super) label: Option<String>,
    /// Whether the text was recognised in a picture of the page.
    pub(super) is_recognised: bool,
    /// The text without running headers and footers at its beginning and end.
    pub(super) body: Range<usize>,
    /// The last sentence goes on on the next page.
    pub(super) continues: bool,
    /// The first sentence began on the page before.
    pub(super) is_continued: bool,
    /// Read when the first claim cites the page.
    numbers: OnceLock<NumberSet>,
}

impl SearchedText {
    fn new(number: u32, text: String) -> Self {
        Self { number, skeleton: Skeleton::new(&text), text, joint: None }
    }

    /// Whether a match at the skeleton's bytes `start..end` counts.
    pub(super) fn admits(&self, start: usize, end: usize) -> bool {
        self.joint.is_none_or(|joint| start < joint.border && joint.border < end)
    }
}

impl IndexedPage {
    fn new(page: &Page) -> Self {
        let lines = PageLines::new(page);
        Self {
            body: lines.body(&page.text),
            lines,
            label: page.label.as_deref().map(beginning),
            is_recognised: page.is_recognised,
            searched: SearchedText::new(page.number, page.text.clone()),
            continues: false,
            is_continued: false,
            numbers: OnceLock::new(),
        }
    }

    pub(super) const fn number(&self) -> u32 {
        self.searched.number
    }

    pub(super) fn text(&self) -> &str {
        &self.searched.text
    }

    /// The numbers of the page.
    pub(super) fn numbers(&self) -> &NumberSet {
        self.numbers.get_or_init(|| {
            let mut numbers = NumberSet::default();
            let text = self.text();
            numbers.add(text.get(..text.floor_char_boundary(NUMBERS_BYTES_MAX)).unwrap_or(text));
            numbers
        })
    }

    pub(super) fn body(&self) -> &str {
        self.text().get(self.body.clone()).unwrap_or_default()
    }
}

impl PageIndex {
    /// Normalises every page of the document.
    #[must_use]
    pub fn new(document: &Document) -> Self {
        let mut pages: Vec<IndexedPage> = document.pages.iter().map(IndexedPage::new).collect();
        let joined: Vec<bool> = pages
            .windows(2)
            .map(|pair| match pair {
                [first, second] => joins_next(first.body(), second.body()),
                _ => false,
            })
            .collect();
        for (at, is_joined) in joined.into_iter().enumerate().filter(|(_, is_joined)| *is_joined) {
            if let Some(page) = pages.get_mut(at) {
                page.continues = is_joined;
            }
            if let Some(page) = pages.get_mut(at + 1) {
                page.is_continued = is_joined;
            }
        }
        let mut left = HIDDEN_BYTES_MAX;
        let hidden = document.hidden.iter().take_while(|hidden| {
            let fits = hidden.text.len() <= left;
            left = left.saturating_sub(hidden.text.len());
            fits
        });
        Self {
            hidden: hidden.map(|hidden| SearchedText::new(hidden.page, hidden.text.clone())).collect(),
            pages,
        }
    }

    pub(super) fn page(&self, number: u32) -> Option<&IndexedPage> {
        // Pages are numbered in their order, so the place is nearly always the number.
        let expected = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let at_place = expected.and_then(|at| self.pages.get(at)).filter(|page| page.number() == number);
        at_place.or_else(|| self.pages.iter().find(|page| page.number() == number))
    }

    /// The numbers of these pages.
    pub(super) fn numbers_of<'a>(&'a self, pages: &'a [u32]) -> impl Iterator<Item = &'a NumberSet> {
        pages.iter().filter_map(|page| self.page(*page)).map(IndexedPage::numbers)
    }

    /// The cited page's joints with the page before and the page after.
    pub(super) fn joints(&self, cited: u32) -> Vec<SearchedText> {
        let firsts = [cited.saturating_sub(1), cited].into_iter();
        firsts.filter_map(|first| self.joint(first, cited)).collect()
    }

    fn joint(&self, first: u32, cited: u32) -> Option<SearchedText> {
        let (before, after) = (self.page(first)?, self.page(first.checked_add(1)?)?);
        let (head, tail) = (end_of(before.body()), start_of(after.body()));
        let text = format!("{head}\n{tail}");
        let skeleton = Skeleton::new(&text);
        let joint = Joint {
            border: skeleton.byte_of(head.len()),
            first_length: head.len(),
            first,
            first_start: before.body.end - head.len(),
            second_start: after.body.start,
        };
        Some(SearchedText { number: cited, joint: Some(joint), skeleton, text })
    }
}

/// A page's name, as long as a citation of it may be.
fn beginning(label: &str) -> String {
    label.chars().take(LABEL_CHARS_MAX).collect()
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
