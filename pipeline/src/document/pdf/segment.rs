//! Segments: stretches of one line without a gap that could separate columns or cells.

use hayro_interpret::kurbo::Affine;

use super::bidi::Flow;
use super::glyph::Rule;

/// A gap of this share of the font's size ends a segment. Gutters between columns are wider than 1.
pub(super) const SEGMENT_GAP: f64 = 0.75;

/// A piece of a line, in a frame where its text runs along x and lines follow downwards.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Segment {
    /// In the order of the page, from left to right.
    pub(super) text: String,
    pub(super) x0: f64,
    pub(super) x1: f64,
    pub(super) baseline: f64,
    pub(super) size: f64,
    /// The page prints a blank after it.
    pub(super) blank_after: bool,
    pub(super) flow: Flow,
    /// Its font is bold.
    pub(super) bold: bool,
    /// An instruction of the page begins with it. It is false for what a wide gap within a run cuts off.
    pub(super) starts_run: bool,
    /// The wide gaps within its text: from where to where, and the byte of the text at which they are.
    pub(super) holes: Vec<Hole>,
    /// Its frame is mirrored: x grows from right to left.
    pub(super) mirrored: bool,
}

/// A gap within a segment that is wide enough for a letter or two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hole {
    pub(super) x0: f64,
    pub(super) x1: f64,
    /// The length of the text before the gap, and whether a blank stands for it.
    pub(super) at: usize,
    pub(super) is_blank: bool,
}

impl Segment {
    pub(super) fn top(&self) -> f64 {
        self.baseline - 0.75 * self.size
    }

    pub(super) fn bottom(&self) -> f64 {
        self.baseline + 0.22 * self.size
    }
}

/// The segments of one writing direction, in the order in which they were drawn.
///
/// If most letters of the frame are read from right to left, so are its columns and cells. Such a frame is
/// mirrored: x grows from right to left, and what reads columns need not know.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) segments: Vec<Segment>,
    pub(super) rules: Vec<Rule>,
    /// The extent of the page in this frame.
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) glyphs: usize,
    /// From the page to this frame.
    pub(super) turn: Affine,
}
