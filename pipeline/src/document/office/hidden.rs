//! Text that no reader of the document sees, collected within limits.

use crate::document::content::{HiddenReason, HiddenText};

/// A document hides a few notes. More than this is kept as a count only.
const PASSAGES_MAX: usize = 2_000;
const BYTES_MAX: usize = 1024 * 1024;

/// Collects hidden passages in reading order.
#[derive(Debug, Default)]
pub(in crate::document) struct HiddenTexts {
    passages: Vec<HiddenText>,
    bytes: usize,
    count: usize,
}

impl HiddenTexts {
    pub(in crate::document) fn add(&mut self, page: u32, reason: HiddenReason, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.count += 1;
        if self.passages.len() < PASSAGES_MAX && self.bytes + text.len() <= BYTES_MAX {
            self.bytes += text.len();
            self.passages.push(HiddenText { page, reason, text: text.to_owned() });
        }
    }

    /// Takes over the passages of another text, which belongs to the first page.
    pub(in crate::document) fn join(&mut self, other: Self) {
        self.join_at(other, 1);
    }

    /// Takes over the passages of another text, which belongs to this page.
    pub(in crate::document) fn join_at(&mut self, other: Self, page: u32) {
        for passage in other.passages {
            self.add(page, passage.reason, &passage.text);
        }
    }

    /// The passages, on pages that the document has; and the sentence that warns of them.
    pub(in crate::document) fn finish(mut self, pages: usize) -> (Vec<HiddenText>, Option<String>) {
        let last = u32::try_from(pages).unwrap_or(u32::MAX).max(1);
        for passage in &mut self.passages {
            passage.page = passage.page.clamp(1, last);
        }
        let warning = match self.count {
            0 => None,
            1 => {
                Some("The document hides a passage from its readers. It is not part of the text.".to_owned())
            }
            n => Some(format!(
                "The document hides {n} passages from its readers. They are not part of the text."
            )),
        };
        (self.passages, warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_counted_beyond_the_limit() {
        let mut hidden = HiddenTexts::default();
        for _ in 0..=PASSAGES_MAX {
            hidden.add(9, HiddenReason::Marked, " note ");
        }
        hidden.add(1, HiddenReason::Tiny, " ");
        let (passages, warning) = hidden.finish(3);
        assert_eq!((passages.len(), passages[0].page, passages[0].text.as_str()), (PASSAGES_MAX, 3, "note"));
        assert!(warning.unwrap().contains("2001 passages"));
    }
}
