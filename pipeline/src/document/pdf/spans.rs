//! Marked content: the text that stands for glyphs (`ActualText`), and the layers that are switched off.

use hayro_interpret::hayro_syntax::object::{Dict, String as PdfString};

use super::layers::Layers;
use super::strings::text_string;

/// The deepest nesting that is tracked. Content beyond belongs to the innermost span that is.
const NESTING_MAX: usize = 1_000;
/// The longest text that may stand for a span's glyphs, in bytes.
const ACTUAL_BYTES_MAX: usize = 10_000;

/// The open spans of a page.
#[derive(Debug, Default)]
pub(super) struct Spans {
    depth: usize,
    /// The outermost span with a text of its own.
    actual: Option<Actual>,
    /// The depth of the outermost layer that is off.
    off_since: Option<usize>,
}

/// A text that stands for all glyphs of its span.
#[derive(Debug)]
pub(super) struct Actual {
    pub(super) text: String,
    /// The index of the span's first glyph.
    pub(super) first: usize,
    depth: usize,
}

impl Spans {
    pub(super) fn is_off(&self) -> bool {
        self.off_since.is_some()
    }

    /// Opens a span. `drawn` is the number of glyphs before it.
    pub(super) fn open(&mut self, tag: &[u8], properties: Option<&Dict<'_>>, layers: &Layers, drawn: usize) {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return;
        }
        let Some(properties) = properties else { return };
        if self.off_since.is_none() && tag == b"OC" && !layers.shows(properties) {
            self.off_since = Some(self.depth);
        }
        if self.actual.is_none()
            && let Some(text) = properties.get::<PdfString<'_>>(b"ActualText".as_slice())
            && text.as_bytes().len() <= ACTUAL_BYTES_MAX
        {
            let text = text_string(text.as_bytes());
            self.actual = Some(Actual { text, first: drawn, depth: self.depth });
        }
    }

    /// Closes the innermost span. Returns the text that stands for its glyphs, if it has one.
    pub(super) fn close(&mut self) -> Option<Actual> {
        let depth = self.depth;
        self.depth = depth.saturating_sub(1);
        if self.off_since == Some(depth) {
            self.off_since = None;
        }
        if self.actual.as_ref().is_some_and(|actual| actual.depth == depth) {
            self.actual.take()
        } else {
            None
        }
    }
}
