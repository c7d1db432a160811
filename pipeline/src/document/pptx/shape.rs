//! The shapes of a slide.

use crate::document::content::{HiddenReason, LineRole};

/// The part that is read. Only the speaker's own text counts in notes, not the slide's number and header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Slide,
    Notes,
}

/// A rectangle, in the units of its slide or group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in crate::document) struct Frame {
    pub(in crate::document) left: f64,
    pub(in crate::document) top: f64,
    pub(in crate::document) width: f64,
    pub(in crate::document) height: f64,
}

impl Frame {
    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Whether the other one lies outside of this one.
    pub(super) fn is_outside(&self, other: &Self) -> bool {
        other.right() < self.left
            || other.left > self.right()
            || other.bottom() < self.top
            || other.top > self.bottom()
    }
}

/// A place that a layout gives to a slide's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// `title`, `body`, `dt`; empty for content.
    pub(super) kind: String,
    pub(super) index: u32,
}

impl Placeholder {
    pub(super) fn is_title(&self) -> bool {
        matches!(self.kind.as_str(), "title" | "ctrTitle")
    }

    /// Numbers, dates and footers, which repeat on each slide.
    pub(super) fn is_running_header(&self) -> bool {
        matches!(self.kind.as_str(), "dt" | "ftr" | "sldNum" | "hdr" | "sldImg")
    }
}

/// A line of a shape's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) role: LineRole,
    /// All its letters are white.
    pub(super) is_white: bool,
}

impl Line {
    pub(super) const fn new(text: String, role: LineRole) -> Self {
        Self { text, role, is_white: false }
    }
}

/// A shape, or a group of shapes in reading order.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) placeholder: Option<Placeholder>,
    pub(super) frame: Option<Frame>,
    pub(super) hidden: Option<HiddenReason>,
    pub(super) blocks: Vec<Vec<Line>>,
}

impl Shape {
    pub(super) fn is_title(&self) -> bool {
        self.placeholder.as_ref().is_some_and(Placeholder::is_title)
    }

    pub(super) fn text(&self) -> String {
        let lines = self.blocks.iter().flatten().map(|line| line.text.as_str());
        lines.collect::<Vec<_>>().join("\n")
    }
}
