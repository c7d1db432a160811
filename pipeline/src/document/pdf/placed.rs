//! A glyph in the frame of its writing direction, where text runs along x.

use hayro_interpret::kurbo::{Affine, Point};

use super::bidi::is_rtl;
use super::glyph::{Glyph, GlyphPage};

/// The text of a glyph, as far as gaps and order depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    /// A letter that is read from right to left.
    RightToLeft,
    /// A mark above or below a letter.
    Mark,
    /// A character of a script that has no blanks between its words.
    Ideograph,
    /// A digit, or a sign of numbers.
    Digit,
    /// A dot, which may be one of a line of dots to a number.
    Dot,
    Dash,
    Other,
}

impl Kind {
    fn of(text: &str) -> Self {
        let mut characters = text.chars();
        match characters.next() {
            None => Self::Blank,
            Some(c) if c.is_ascii_alphabetic() => Self::Other,
            Some(c) if c.is_whitespace() && characters.all(char::is_whitespace) => Self::Blank,
            Some('.' | '_') => Self::Dot,
            Some(c) if c.is_ascii_digit() || matches!(c, ',' | '%') => Self::Digit,
            Some('-' | '\u{2010}'..='\u{2015}' | '\u{2212}') => Self::Dash,
            Some(c) if c.is_ascii() => Self::Other,
            Some(c) if is_rtl(c) => Self::RightToLeft,
            Some(c) if is_ideograph(c) => Self::Ideograph,
            Some(c) if unicode_normalization::char::is_combining_mark(c) => Self::Mark,
            Some(_) => Self::Other,
        }
    }
}

/// Han and Kana, with their punctuation. Korean has blanks between its words.
pub(super) fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{30ff}' | '\u{31c0}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}' | '\u{ff01}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

/// A glyph with its place in the frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) glyph: Glyph,
    pub(super) start: Point,
    pub(super) end_x: f64,
    pub(super) kind: Kind,
}

impl Placed {
    pub(super) fn new(page: &GlyphPage, glyph: &Glyph, turn: Affine) -> Self {
        Self {
            glyph: *glyph,
            start: turn * glyph.origin,
            end_x: (turn * glyph.end).x,
            kind: Kind::of(page.text_of(glyph)),
        }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.kind == Kind::Blank
    }

    /// The gap between this glyph and the one to its right.
    pub(super) fn gap_to(&self, next: &Self) -> f64 {
        next.start.x - self.end_x
    }

    /// The size of the smaller of two glyphs, for shares of it.
    pub(super) fn smaller(&self, other: &Self) -> f64 {
        self.glyph.size.min(other.glyph.size).max(0.01)
    }
}
