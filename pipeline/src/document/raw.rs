//! The result of a format's reader, before the steps that all formats share.

use super::{
    content::{HiddenText, LineMark, LineRole},
    scans::Scans,
};

/// A document as its format's reader found it.
#[derive(Debug, Default)]
pub(super) struct RawDocument {
    pub(super) title: Option<String>,
    pub(super) pages: Vec<RawPage>,
    pub(super) warnings: Vec<String>,
    /// Text that no reader of the document sees.
    pub(super) hidden: Vec<HiddenText>,
    /// The pages that only a program for OCR can read.
    pub(super) scans: Scans,
}

/// A page or section, before its white space is normalised.
#[derive(Debug)]
pub(super) struct RawPage {
    pub(super) label: Option<String>,
    pub(super) text: String,
    /// The share of its characters that could be read.
    pub(super) readable: f64,
    /// By ascending line of `text`, as `\n` separates them.
    pub(super) marks: Vec<LineMark>,
    pub(super) is_recognised: bool,
    /// How many lines at its top and at its bottom the format itself calls headers and footers. Empty lines do
    /// not count.
    pub(super) edge_lines: (usize, usize),
    /// The bytes of `text` whose line breaks were counted, and their number.
    pub(super) counted: (usize, usize),
}

impl RawPage {
    /// A page whose characters can all be read, or are already U+FFFD.
    pub(super) fn new(text: String) -> Self {
        Self {
            label: None,
            text,
            readable: 1.0,
            marks: Vec::new(),
            is_recognised: false,
            edge_lines: (0, 0),
            counted: (0, 0),
        }
    }

    /// Adds lines that all play one part, after a separator.
    pub(super) fn push(&mut self, separator: &str, lines: &str, role: LineRole) {
        if !self.text.is_empty() {
            self.text.push_str(separator);
        }
        if role != LineRole::Text {
            let first = self.line();
            // Only the first line of a list item has the bullet.
            let count = if role == LineRole::ListItem { 1 } else { lines.split('\n').count() };
            self.marks.extend((first..first + count).map(|line| LineMark { line, role, area: None }));
        }
        self.text.push_str(lines);
    }

    /// The index of the line at the end of the text. Each byte is counted once, so many lines cost linear time.
    fn line(&mut self) -> usize {
        let (bytes, breaks) = self.counted;
        let new = self.text.as_bytes().get(bytes..).unwrap_or_default();
        let breaks = breaks + memchr::memchr_iter(b'\n', new).count();
        self.counted = (self.text.len(), breaks);
        breaks
    }
}
