//! Joins glyphs to segments.

use super::bidi::{self, Flow};
use super::gaps::Spacing;
use super::glyph::GlyphPage;
use super::placed::{Kind, Placed};
use super::rtl_marks::in_page_order;
use super::segment::{Hole, SEGMENT_GAP, Segment};

/// How far a baseline may move within a segment. Superscripts stay in; the next line does not.
const BASELINE_SHIFT: f64 = 0.45;
/// A letter smaller by so much may be an exponent, which some programs raise by half of a line.
const SMALL: f64 = 0.8;
const SMALL_SHIFT: f64 = 0.5;
/// How far the pen may move back within a segment. Strong kerning and accents stay in.
const BACKWARD_GAP: f64 = -0.6;

/// So many marks and their letter are looked back at.
const MARKS_MAX: usize = 16;

/// A gap of this share of the size has room for a small letter.
const HOLE: f64 = 0.36;

/// Joins the glyphs of a frame, in the order in which they are drawn.
pub(super) fn segments(page: &GlyphPage, placed: impl Iterator<Item = Placed>) -> Vec<Segment> {
    let mut builder = Builder { page, segments: Vec::new(), open: Vec::new() };
    for glyph in placed {
        builder.push(glyph);
    }
    builder.close();
    builder.segments
}

struct Builder<'p> {
    page: &'p GlyphPage,
    segments: Vec<Segment>,
    /// The glyphs of the segment that is being built, blanks included; the first is not a blank.
    open: Vec<Placed>,
}

impl Builder<'_> {
    fn push(&mut self, next: Placed) {
        if !next.is_blank() {
            if !self.continues(&next) {
                self.close();
            }
            self.open.push(next);
        } else if !self.open.is_empty() {
            self.open.push(next);
        }
    }

    fn continues(&self, next: &Placed) -> bool {
        // A mark stands above or below a letter, so the letter before it shows how far the line goes.
        // No letter of a language has more marks, and a page of nothing but marks is not searched again for each of them.
        let printed = || self.open.iter().rev().filter(|placed| !placed.is_blank()).take(MARKS_MAX);
        let Some(last) = printed().find(|placed| placed.kind != Kind::Mark).or_else(|| printed().next())
        else {
            return true;
        };
        let size = last.glyph.size.max(next.glyph.size).max(0.01);
        let is_small = last.smaller(next) < SMALL * size;
        let shift = if is_small { SMALL_SHIFT } else { BASELINE_SHIFT };
        if (last.start.y - next.start.y).abs() >= shift * size {
            // Marks of Hebrew and Arabic may stand high above their letters.
            return next.kind == Kind::Mark
                && (last.start.y - next.start.y).abs() < size
                && near(last, next, size);
        }
        // One blank is no gap. Some programs reach the next column with a row of blanks.
        let blank = match self.open.as_slice() {
            [.., one, blank] if blank.is_blank() && !one.is_blank() => (blank.end_x - blank.start.x).max(0.0),
            _ => 0.0,
        };
        // Spaced letters have their extra space on both sides of a blank.
        let spaces = if blank > 0.0 { 2.0 * self.letter_gap(size) } else { 0.0 };
        let joins = |gap: f64| gap > BACKWARD_GAP * size && gap - blank - spaces < SEGMENT_GAP * size;
        if joins(last.gap_to(next)) {
            return true;
        }
        // Some programs draw from right to left what is read so.
        let from_right = |it: &Placed| matches!(it.kind, Kind::RightToLeft | Kind::Mark);
        (from_right(last) || from_right(next)) && joins(next.gap_to(last))
    }

    /// The space between the last two letters that stand side by side.
    fn letter_gap(&self, size: f64) -> f64 {
        const LETTERS_SEEN: usize = 4;
        const LETTER_GAP_MAX: f64 = 0.6;
        let seen = self.open.get(self.open.len().saturating_sub(LETTERS_SEEN)..).unwrap_or_default();
        let gap = seen.windows(2).rev().find_map(|pair| match pair {
            [one, next] if !one.is_blank() && !next.is_blank() => Some(one.gap_to(next)),
            _ => None,
        });
        gap.unwrap_or_default().clamp(0.0, LETTER_GAP_MAX * size)
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        if open.iter().any(|it| matches!(it.kind, Kind::RightToLeft)) {
            self.segments.extend(self.join(&in_page_order(&open)));
        } else {
            self.segments.extend(self.join(&open));
        }
        self.open = open;
        self.open.clear();
    }

    fn join(&self, placed: &[Placed]) -> Option<Segment> {
        let printed = || placed.iter().filter(|placed| !placed.is_blank());
        let first = printed().next()?;
        let tallest = printed().map(|placed| placed.glyph.size).fold(0.0, f64::max);
        // The first full-sized glyph gives the baseline, so that a superscript does not lift its line.
        let base = printed().find(|placed| placed.glyph.size >= 0.9 * tallest)?;
        let spacing = Spacing::of(placed);
        let mut text = String::with_capacity(placed.len() + 16);
        let (mut x0, mut x1) = (first.start.x, first.end_x);
        let mut last: Option<&Placed> = None;
        let mut blank = false;
        let mut flow = Flow::Left;
        let mut holes = Vec::new();
        for glyph in placed {
            if glyph.is_blank() {
                // A blank that is drawn from right to left stands before its letter.
                blank |= last.is_none_or(|last| glyph.start.x >= last.start.x);
                continue;
            }
            if glyph.kind == Kind::RightToLeft {
                flow = Flow::Mixed;
            }
            if let Some(last) = last.filter(|_| glyph.kind != Kind::Mark) {
                let at = text.len();
                if spacing.separates(last, glyph, blank) {
                    text.push(' ');
                }
                if last.gap_to(glyph) > HOLE * last.smaller(glyph) {
                    holes.push(Hole { x0: last.end_x, x1: glyph.start.x, at, is_blank: text.len() > at });
                }
            }
            bidi::push_visual(self.page.text_of(&glyph.glyph), &mut text);
            (x0, x1) = (x0.min(glyph.start.x), x1.max(glyph.end_x));
            let takes_room = || self.page.text_of(&glyph.glyph).starts_with(is_spacing_sign);
            if glyph.kind != Kind::Mark || last.is_none_or(|last| glyph.end_x > last.end_x && takes_room()) {
                last = Some(glyph);
            }
            blank = false;
        }
        let size = printed().map(|placed| placed.glyph.size).sum::<f64>() / printed().count() as f64;
        let bold = printed().filter(|placed| placed.glyph.bold).count() * 2 > printed().count();
        Some(Segment {
            text,
            x0,
            x1,
            baseline: base.start.y,
            size,
            blank_after: blank,
            flow,
            bold,
            starts_run: first.glyph.starts_run,
            holes,
            mirrored: false,
        })
    }
}

/// The vowel signs of Indian scripts are marks that may take room of their own.
fn is_spacing_sign(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{1b00}'..='\u{1bff}')
}

fn near(last: &Placed, mark: &Placed, size: f64) -> bool {
    mark.start.x > last.start.x - size && mark.start.x < last.end_x + size
}
