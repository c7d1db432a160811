//! A paragraph and a table of an OpenDocument text that are being read.

use crate::document::content::HiddenReason;

/// A paragraph or heading that is being read. A frame puts paragraphs into a paragraph.
#[derive(Debug, Default)]
pub(super) struct Paragraph {
    pub(super) text: String,
    pub(super) hidden: Vec<(HiddenReason, String)>,
    /// From 1 for a heading.
    pub(super) level: Option<u8>,
    pub(super) style: String,
    pub(super) is_unnumbered: bool,
    pub(super) start: Option<u32>,
    /// Hidden by a field of its own.
    pub(super) is_hidden: bool,
    /// The notes of the section before this paragraph.
    pub(super) notes_before: usize,
    /// The looks of the spans that are open.
    pub(super) spans: Vec<Look>,
}

/// The look of a span.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    pub(super) hidden: bool,
    pub(super) tiny: bool,
    pub(super) raised: bool,
}

impl Paragraph {
    pub(super) fn hide(&mut self, reason: HiddenReason, text: &str) {
        match self.hidden.last_mut() {
            Some((last, passage)) if *last == reason => passage.push_str(text),
            _ => self.hidden.push((reason, text.to_owned())),
        }
    }
}

/// A table that is being read.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) cells: Vec<String>,
    pub(super) rows: usize,
    pub(super) in_cell: bool,
    pub(super) repeated: usize,
    pub(super) is_hidden_row: bool,
    /// So many cells to the right are covered by the last cell.
    pub(super) spanned: usize,
}

impl Table {
    /// Passes covered cells. A cell that the one above covers is empty, so that the others stay in their columns.
    pub(super) fn cover(&mut self, count: usize) {
        let beside = count.min(self.spanned);
        self.spanned -= beside;
        self.cells.extend(std::iter::repeat_n(String::new(), count - beside));
    }
}

/// A list that is open.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The name of its style, its own or that of the list around it.
    pub(super) style: String,
    pub(super) start: Option<u32>,
    /// The current item waits for its first paragraph, which takes the mark.
    pub(super) is_new_item: bool,
}
