//! Glyphs: drawn characters with their places.

use hayro_interpret::kurbo::{Point, Vec2};

/// A glyph on the rotated page, in points. x runs to the right and y downwards.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    /// The range of its text in [`GlyphPage::text`].
    pub(super) text_start: u32,
    pub(super) text_end: u32,
    /// The origin on the baseline, and the point where the next glyph would start.
    pub(super) origin: Point,
    pub(super) end: Point,
    /// The font's size on the page.
    pub(super) size: f64,
    /// The direction of writing, of length 1.
    pub(super) direction: Vec2,
    /// Its font is bold.
    pub(super) bold: bool,
    /// It is the first glyph that an instruction draws.
    pub(super) starts_run: bool,
}

/// A horizontal rule or filled band, as tables have them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    pub(super) x0: f64,
    pub(super) x1: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// Everything on a page that matters for its text.
#[derive(Debug, Default)]
pub(super) struct GlyphPage {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The text of all glyphs, back to back.
    pub(super) text: String,
    pub(super) glyphs: Vec<Glyph>,
    pub(super) rules: Vec<Rule>,
    /// The number of glyphs that print something, and of those without a known character.
    pub(super) printed: usize,
    pub(super) unmapped: usize,
    /// The number of glyphs that are drawings without a name, whose characters no engine can know.
    pub(super) pictures: usize,
    /// The share of the page that images cover, 0 to 1. An area below two images counts twice.
    pub(super) image_share: f64,
    /// The page draws more glyphs than are kept.
    pub(super) overflowed: bool,
}

impl GlyphPage {
    pub(super) fn text_of(&self, glyph: &Glyph) -> &str {
        self.text.get(glyph.text_start as usize..glyph.text_end as usize).unwrap_or_default()
    }

    /// Counts the glyphs that print something, and those without a known character.
    pub(super) fn count(&mut self) {
        (self.printed, self.unmapped) = (0, 0);
        for glyph in &self.glyphs {
            let text = self.text.get(glyph.text_start as usize..glyph.text_end as usize).unwrap_or_default();
            if !text.chars().all(char::is_whitespace) {
                self.printed += 1;
                self.unmapped += usize::from(text.contains(char::REPLACEMENT_CHARACTER));
            }
        }
    }

    /// The share of printed glyphs that could be read; 1 for a page that prints none.
    pub(super) fn readable(&self) -> f64 {
        if self.printed == 0 { 1.0 } else { 1.0 - self.unmapped as f64 / self.printed as f64 }
    }
}

/// A point in the body of a glyph.
pub(super) fn raised(glyph: &Glyph) -> Point {
    let up = Vec2::new(glyph.direction.y, -glyph.direction.x);
    glyph.origin.midpoint(glyph.end) + up * (0.3 * glyph.size)
}
