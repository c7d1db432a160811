//! Texts that a page holds and does not show.

use super::element::is_block;
use super::page::Page;
use crate::document::content::HiddenReason;

/// A page that hides more repeats itself.
const HIDDEN_MAX: usize = 1_000;

/// Hidden texts, with the number of their section.
#[derive(Debug, Default)]
pub(super) struct HiddenTexts {
    pub(super) texts: Vec<(u32, HiddenReason, String)>,
    /// The outermost element that is hidden as a whole, and its end.
    start: usize,
    end: usize,
    /// The part that the last text belongs to.
    part: usize,
}

impl HiddenTexts {
    /// Begins a part that is hidden as a whole.
    pub(super) fn start(&mut self, page: &Page, index: usize) {
        if index >= self.end {
            self.end = page.end(index);
            self.start = index;
        } else if is_block(page.name(index))
            && let Some((_, _, last)) = self.texts.last_mut()
        {
            last.push(' ');
        }
    }

    /// Keeps a hidden text. Texts of one part make one.
    pub(super) fn add(&mut self, page: &Page, index: usize, section: u32, reason: HiddenReason, text: &str) {
        let part = if index < self.end { self.start } else { page.parent(index) };
        if let Some((_, _, last)) = self.texts.last_mut().filter(|_| self.part == part) {
            last.push_str(text);
        } else if !text.trim().is_empty() && self.texts.len() < HIDDEN_MAX {
            self.texts.push((section, reason, text.to_owned()));
            self.part = part;
        }
    }
}
