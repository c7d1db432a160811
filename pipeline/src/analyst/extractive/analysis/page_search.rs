//! Whether a sentence stands on its page as it is quoted: joining lines has glued no words together.

use std::collections::HashMap;

use crate::{
    analyst::extractive::{
        limits::SEARCHED_BYTES_MAX,
        stop::{Stop, Stopped},
    },
    document::Document,
};

/// How far behind the sentence before it a sentence is expected, in bytes: behind a heading or a small table.
const AHEAD_BYTES: usize = 2_000;

/// The pages without white space and hyphens. Sentences come in their order, so each search begins where the last
/// one ended.
#[derive(Debug)]
pub(crate) struct PageSearch {
    pages: HashMap<u32, CompactPage>,
    /// The bytes that may still be searched for sentences that stand elsewhere.
    left: usize,
}

#[derive(Debug)]
struct CompactPage {
    text: String,
    /// The end of the sentence that was found last.
    cursor: usize,
}

impl PageSearch {
    pub(crate) fn new(document: &Document, stop: &Stop) -> Result<Self, Stopped> {
        let mut pages = HashMap::with_capacity(document.pages.len());
        for page in &document.pages {
            stop.check()?;
            pages.insert(page.number, CompactPage { text: compact(&page.text), cursor: 0 });
        }
        Ok(Self { pages, left: SEARCHED_BYTES_MAX })
    }

    /// Whether the page holds the sentence. It counts as missing once the searches have cost too much.
    pub(crate) fn holds(&mut self, page: u32, sentence: &str) -> bool {
        let Some(page) = self.pages.get_mut(&page) else { return false };
        let wanted = compact(sentence);
        let window_end = page.text.floor_char_boundary(page.cursor + wanted.len() + AHEAD_BYTES);
        let near = page.text.get(page.cursor..window_end).and_then(|window| window.find(&wanted));
        if let Some(at) = near {
            page.cursor += at + wanted.len();
            return true;
        }
        // A table stands in between, or the text was put together from other places.
        let Some(left) = self.left.checked_sub(page.text.len()) else { return false };
        self.left = left;
        let ahead = page.text.get(page.cursor..).and_then(|rest| rest.find(&wanted));
        if let Some(at) = ahead {
            page.cursor += at + wanted.len();
        }
        ahead.is_some() || page.text.contains(&wanted)
    }
}

/// The text without white space and hyphens, which line breaks can change.
fn compact(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '\u{ad}')).collect()
}
