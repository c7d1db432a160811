//! Joins glyphs to segments: stretches of one line without a gap that could separate columns or cells.

use std::collections::BTreeMap;

use hayro_interpret::kurbo::{Affine, Point};

use super::glyph::{Glyph, GlyphPage, Rule};

/// A gap of this share of the font's size separates words. Spaces are 0.25 to 0.33 wide, kerning stays under 0.1.
const WORD_GAP: f64 = 0.17;
/// A gap of this share of the font's size ends a segment. Gutters between columns are wider than 1.
pub(super) const SEGMENT_GAP: f64 = 0.75;
/// How far a baseline may move within a segment. Superscripts stay in; the next line does not.
const BASELINE_SHIFT: f64 = 0.45;
/// How far the pen may move back within a segment. Strong kerning and accents stay in.
const BACKWARD_GAP: f64 = -0.6;

/// A piece of a line, in a frame where its text runs to the right and lines follow downwards.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Segment {
    pub(super) text: String,
    pub(super) x0: f64,
    pub(super) x1: f64,
    pub(super) baseline: f64,
    pub(super) size: f64,
    /// The page prints a blank after it.
    pub(super) blank_after: bool,
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
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) segments: Vec<Segment>,
    pub(super) rules: Vec<Rule>,
    /// The extent of the page in this frame.
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) glyphs: usize,
}

/// Splits a page by writing direction, the most used direction first. A page whose text runs upwards is then
/// read like any other. A turned label stays out of the lines beside it.
pub(super) fn frames(page: &GlyphPage) -> Vec<Frame> {
    let mut by_direction: BTreeMap<i32, Vec<&Glyph>> = BTreeMap::new();
    for run in page.glyphs.chunk_by(|one, next| direction_key(one) == direction_key(next)) {
        if let Some(first) = run.first() {
            by_direction.entry(direction_key(first)).or_default().extend(run);
        }
    }
    let mut frames: Vec<Frame> =
        by_direction.into_iter().map(|(key, glyphs)| frame(page, key, &glyphs)).collect();
    frames.sort_by_key(|frame| std::cmp::Reverse(frame.glyphs));
    frames
}

const DEGREES_PER_KEY: f64 = 15.0;

/// The writing direction in steps of 15 degrees, from -11 to 12; 0 is to the right.
fn direction_key(glyph: &Glyph) -> i32 {
    // Nearly every glyph runs to the right, and computing the angle is expensive.
    if glyph.direction.x > 0.999 {
        return 0;
    }
    let degrees = glyph.direction.y.atan2(glyph.direction.x).to_degrees();
    let key = (degrees / DEGREES_PER_KEY).round() as i32;
    if key == -12 { 12 } else { key }
}

fn frame(page: &GlyphPage, key: i32, glyphs: &[&Glyph]) -> Frame {
    let turn = Affine::rotate(-(f64::from(key) * DEGREES_PER_KEY).to_radians());
    let extent =
        turn.transform_rect_bbox(hayro_interpret::kurbo::Rect::new(0.0, 0.0, page.width, page.height));
    let rules = page.rules.iter().map(|rule| {
        let turned = turn.transform_rect_bbox(hayro_interpret::kurbo::Rect::new(
            rule.x0,
            rule.top,
            rule.x1,
            rule.bottom,
        ));
        Rule { x0: turned.x0, x1: turned.x1, top: turned.y0, bottom: turned.y1 }
    });
    let mut builder = Builder { page, segments: Vec::new(), open: Vec::new() };
    for glyph in glyphs {
        builder.push(Placed::new(page, glyph, turn));
    }
    builder.close();
    Frame {
        segments: builder.segments,
        rules: if key == 0 { page.rules.clone() } else { rules.collect() },
        top: extent.y0,
        bottom: extent.y1,
        glyphs: glyphs.len(),
    }
}

/// A glyph in the frame of its writing direction.
#[derive(Debug, Clone, Copy)]
struct Placed {
    glyph: Glyph,
    start: Point,
    end_x: f64,
    blank: bool,
}

impl Placed {
    fn new(page: &GlyphPage, glyph: &Glyph, turn: Affine) -> Self {
        Self {
            glyph: *glyph,
            start: turn * glyph.origin,
            end_x: (turn * glyph.end).x,
            blank: page.text_of(glyph).chars().all(char::is_whitespace),
        }
    }

    /// The gap between this glyph and the one drawn after it.
    fn gap_to(&self, next: &Self) -> f64 {
        next.start.x - self.end_x
    }
}

struct Builder<'p> {
    page: &'p GlyphPage,
    segments: Vec<Segment>,
    /// The glyphs of the segment that is being built, blanks included; the first is not a blank.
    open: Vec<Placed>,
}

impl Builder<'_> {
    fn push(&mut self, next: Placed) {
        if !next.blank {
            if !self.continues(&next) {
                self.close();
            }
            self.open.push(next);
        } else if !self.open.is_empty() {
            self.open.push(next);
        }
    }

    fn continues(&self, next: &Placed) -> bool {
        let Some(last) = self.open.iter().rev().find(|placed| !placed.blank) else {
            return true;
        };
        let size = last.glyph.size.max(next.glyph.size).max(0.01);
        // One blank is no gap. Some programs reach the next column with a row of blanks.
        let gap = match self.open.as_slice() {
            [.., one, blank] if blank.blank && !one.blank => {
                last.gap_to(next) - (blank.end_x - blank.start.x).max(0.0)
            }
            _ => last.gap_to(next),
        };
        (last.start.y - next.start.y).abs() < BASELINE_SHIFT * size
            && gap > BACKWARD_GAP * size
            && gap < SEGMENT_GAP * size
    }

    fn close(&mut self) {
        if let Some(segment) = self.join(&self.open) {
            self.segments.push(segment);
        }
        self.open.clear();
    }

    fn join(&self, placed: &[Placed]) -> Option<Segment> {
        let printed = || placed.iter().filter(|placed| !placed.blank);
        let first = printed().next()?;
        let tallest = printed().map(|placed| placed.glyph.size).fold(0.0, f64::max);
        // The first full-sized glyph gives the baseline, so that a superscript does not lift its line.
        let base = printed().find(|placed| placed.glyph.size >= 0.9 * tallest)?;
        let word_gap = WORD_GAP.max(letter_spacing(placed) + 0.15);
        let mut text = String::with_capacity(placed.len() + 16);
        let (mut x0, mut x1) = (first.start.x, first.end_x);
        let mut last: Option<&Placed> = None;
        let mut blank = false;
        for glyph in placed {
            if glyph.blank {
                blank = true;
                continue;
            }
            let far = last.is_some_and(|last| {
                last.gap_to(glyph) > word_gap * last.glyph.size.min(glyph.glyph.size).max(0.01)
            });
            if (blank || far) && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(self.page.text_of(&glyph.glyph));
            (x0, x1) = (x0.min(glyph.start.x), x1.max(glyph.end_x));
            last = Some(glyph);
            blank = false;
        }
        let size = printed().map(|placed| placed.glyph.size).sum::<f64>() / printed().count() as f64;
        Some(Segment { text, x0, x1, baseline: base.start.y, size, blank_after: blank })
    }
}

/// The extra space between the letters of a tracked heading ("T R E N D S"), as a share of the font's size.
/// If it were ignored, every letter would become a word.
fn letter_spacing(placed: &[Placed]) -> f64 {
    const LETTERS_MIN: usize = 5;
    const NOTICEABLE: f64 = 0.08;
    let gaps = || {
        placed.windows(2).filter_map(|pair| match pair {
            [one, next] if !one.blank && !next.blank => Some(one.gap_to(next) / one.glyph.size.max(0.01)),
            _ => None,
        })
    };
    let (mut count, mut narrow) = (0, 0);
    for gap in gaps() {
        count += 1;
        narrow += usize::from(gap <= NOTICEABLE);
    }
    // Words of one letter would look the same at the median, so nearly all gaps must be wide.
    if count + 1 < LETTERS_MIN || narrow > count / 10 {
        return 0.0;
    }
    let mut gaps: Vec<f64> = gaps().collect();
    gaps.sort_by(f64::total_cmp);
    gaps.get(count / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use hayro_interpret::kurbo::Vec2;

    use super::*;

    /// Draws text with glyphs of half the size's width, `spacing` apart.
    fn draw(page: &mut GlyphPage, text: &str, origin: Point, size: f64, spacing: f64, direction: Vec2) {
        let mut at = origin;
        for c in text.chars() {
            let end = at + direction * (size * 0.5);
            let text_start = page.text.len() as u32;
            page.text.push(c);
            let text_end = page.text.len() as u32;
            page.glyphs.push(Glyph { text_start, text_end, origin: at, end, size, direction });
            at = end + direction * spacing;
        }
    }

    fn page() -> GlyphPage {
        GlyphPage { width: 600.0, height: 800.0, ..GlyphPage::default() }
    }

    const RIGHT: Vec2 = Vec2::new(1.0, 0.0);

    fn texts(page: &GlyphPage) -> Vec<String> {
        frames(page).into_iter().flat_map(|frame| frame.segments).map(|segment| segment.text).collect()
    }

    #[test]
    fn gaps_separate_words_without_blanks() {
        let mut page = page();
        draw(&mut page, "new", Point::new(10.0, 10.0), 10.0, 0.0, RIGHT);
        draw(&mut page, "words", Point::new(27.5, 10.0), 10.0, 0.0, RIGHT);
        draw(&mut page, "far", Point::new(90.0, 10.0), 10.0, 0.0, RIGHT);
        assert_eq!(texts(&page), ["new words", "far"]);
    }

    #[test]
    fn tracked_headings_stay_words() {
        let mut page = page();
        draw(&mut page, "TREND WATCH", Point::new(10.0, 10.0), 10.0, 2.5, RIGHT);
        assert_eq!(texts(&page), ["TREND WATCH"]);
    }

    #[test]
    fn superscripts_do_not_lift_their_line() {
        let mut page = page();
        draw(&mut page, "4", Point::new(10.0, 6.5), 6.0, 0.0, RIGHT);
        draw(&mut page, "Source", Point::new(13.2, 10.0), 10.0, 0.0, RIGHT);
        let frames = frames(&page);
        assert_eq!(frames[0].segments.len(), 1);
        assert_eq!(frames[0].segments[0].baseline, 10.0);
    }

    #[test]
    fn turned_text_forms_a_frame_of_its_own() {
        let mut page = page();
        draw(&mut page, "along the page", Point::new(10.0, 10.0), 10.0, 0.0, RIGHT);
        draw(&mut page, "upwards", Point::new(5.0, 300.0), 10.0, 0.0, Vec2::new(0.0, -1.0));
        assert_eq!(texts(&page), ["along the page", "upwards"]);
    }
}
