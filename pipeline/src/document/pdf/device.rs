//! The device that the PDF interpreter draws on. It keeps the text and drops the picture.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use hayro_interpret::font::{Glyph as FontGlyph, GlyphRun, OutlineGlyph};
use hayro_interpret::hayro_cmap::{BfString, WritingMode};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect, Shape, Vec2};
use hayro_interpret::{BlendMode, ClipPath, Device, DrawMode, DrawProps, Image, ImageDrawProps, SoftMask};

use super::charmap::{Charmaps, reversed_charmap};
use super::glyph::{Glyph, GlyphPage, Overprints, Rule};
use super::placement::{Slant, advance, end_of};
use super::readable::push_readable;
use super::repeats::Repeats;

/// The most glyphs of one page. The densest page seen had 21,000.
const GLYPHS_PER_PAGE_MAX: usize = 200_000;
/// The most rules of one page. A page with more is a drawing, not a table.
const RULES_PER_PAGE_MAX: usize = 2_000;
/// Text may stick out of the page by this much.
const BLEED_POINTS: f64 = 2.0;
/// The greatest height of a rule or a table row's band. A taller box frames whole columns.
const RULE_HEIGHT_MAX_POINTS: f64 = 40.0;
/// A path with more elements is a curve or an icon, not a rule.
const RULE_ELEMENTS_MAX: usize = 8;

/// If the charmap had to recover this many glyphs, the font's own tables are useless.
const RECOVERED_MIN: usize = 3;

/// Collects one page.
pub(super) struct TextDevice<'m> {
    page: GlyphPage,
    bounds: Rect,
    overprints: Overprints,
    repeats: Repeats,
    /// Shared by the pages of a document: reading a charmap costs more than a page.
    charmaps: &'m mut Charmaps,
    /// The number of glyphs that each font's charmap recovered.
    recovered: HashMap<u128, usize>,
    /// The fonts whose charmap is asked first.
    charmap_first: HashSet<u128>,
}

impl<'m> TextDevice<'m> {
    /// A device for a page of this size. For the fonts in `charmap_first`, the charmap knows more than the
    /// interpreter.
    pub(super) fn new(
        width: f64,
        height: f64,
        charmaps: &'m mut Charmaps,
        charmap_first: HashSet<u128>,
    ) -> Self {
        Self {
            page: GlyphPage { width, height, ..GlyphPage::default() },
            bounds: Rect::new(0.0, 0.0, width, height).inflate(BLEED_POINTS, BLEED_POINTS),
            overprints: Overprints::new(width, height),
            repeats: Repeats::new(),
            charmaps,
            recovered: HashMap::new(),
            charmap_first,
        }
    }

    pub(super) fn finish(self) -> GlyphPage {
        self.page
    }

    /// Fonts whose tables name hardly any character. The interpreter guesses a standard encoding for them,
    /// which is wrong for all their codes. The page is then read again with their charmaps first.
    pub(super) fn unnamed_fonts(&self) -> HashSet<u128> {
        self.recovered.iter().filter(|(_, count)| **count >= RECOVERED_MIN).map(|(font, _)| *font).collect()
    }

    fn keep(&mut self, text: &str, origin: Point, end: Point, size: f64, direction: Vec2) {
        let centre = origin.midpoint(end);
        // `contains` is also false for coordinates that are not numbers.
        if text.is_empty() || !self.bounds.contains(centre) || !size.is_finite() {
            return;
        }
        let blank = text.chars().all(char::is_whitespace);
        if !blank && !self.overprints.insert(text, origin, size) {
            return;
        }
        if self.page.glyphs.len() >= GLYPHS_PER_PAGE_MAX {
            self.page.overflowed = true;
            return;
        }
        if !blank {
            self.page.printed += 1;
            self.page.unmapped += usize::from(text.contains(char::REPLACEMENT_CHARACTER));
        }
        let text_start = self.page.text.len() as u32;
        self.page.text.push_str(text);
        let text_end = self.page.text.len() as u32;
        self.page.glyphs.push(Glyph { text_start, text_end, origin, end, size, direction });
    }

    /// Sets `text` to the glyph's text, and returns how far the glyph moves the pen.
    fn read(&mut self, glyph: &FontGlyph<'_>, text: &mut String) -> Option<f64> {
        let code = glyph.char_code();
        text.clear();
        if let Some(said) = self.repeats.get(code) {
            text.push(said.character);
            return said.advance;
        }
        let advance = advance(glyph);
        // Recovered glyphs are not cached, because each occurrence counts.
        if self.look_up(glyph, text) {
            self.repeats.note(code, text, advance);
        }
        advance
    }

    /// Appends the glyph's text: by the document's tables, else by the font's charmap, else U+FFFD. Returns
    /// whether the document's tables knew it.
    fn look_up(&mut self, glyph: &FontGlyph<'_>, text: &mut String) -> bool {
        if !self.charmap_first.is_empty()
            && let FontGlyph::Outline(outline) = glyph
            && let Some((font, c)) = self.recover(outline)
            && self.charmap_first.contains(&font)
        {
            push_readable(c, text);
            return false;
        }
        match glyph.as_unicode() {
            Some(BfString::Char(c)) => push_readable(c, text),
            Some(BfString::String(s)) => s.chars().for_each(|c| push_readable(c, text)),
            None => text.push(char::REPLACEMENT_CHARACTER),
        }
        if !text.contains(char::REPLACEMENT_CHARACTER) {
            return true;
        }
        if let FontGlyph::Outline(outline) = glyph
            && let Some((font, c)) = self.recover(outline)
        {
            *self.recovered.entry(font).or_default() += 1;
            text.clear();
            push_readable(c, text);
        }
        false
    }

    /// The glyph's font, and the character that the font's charmap has for the glyph.
    fn recover(&mut self, glyph: &OutlineGlyph) -> Option<(u128, char)> {
        let font = glyph.font_data()?;
        let charmap = match self.charmaps.entry(font.cache_key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let bytes: &[u8] = (*font.data).as_ref();
                unknown.insert(reversed_charmap(bytes))
            }
        };
        charmap.get(&glyph.glyph_id().to_u32()).map(|c| (font.cache_key, *c))
    }

    fn note_rule(&mut self, bounds: Rect) {
        if bounds.height() > RULE_HEIGHT_MAX_POINTS
            || bounds.width() < bounds.height()
            || self.page.rules.len() >= RULES_PER_PAGE_MAX
        {
            return;
        }
        self.page.rules.push(Rule { x0: bounds.x0, x1: bounds.x1, top: bounds.y0, bottom: bounds.y1 });
    }
}

impl<'a> Device<'a> for TextDevice<'_> {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        let glyphs = run.glyphs();
        self.repeats.start_run();
        let mut text = String::new();
        let mut slant = Slant::of(Affine::scale(1.0));
        let mut placed = glyphs.first().map(|first| props.transform * first.transform());
        for (index, glyph) in glyphs.iter().enumerate() {
            let Some(here) = placed else { break };
            let next = glyphs.get(index + 1).map(|next| props.transform * next.transform());
            let next_origin = next.map(|next| next * Point::ZERO);
            let origin = here * Point::ZERO;
            if !slant.is_of(here) {
                slant = Slant::of(here);
            }
            let Slant { size, direction, .. } = slant;
            let advance = self.read(glyph, &mut text);
            let (direction, end) = if run.writing_mode() == WritingMode::Vertical {
                (Vec2::new(0.0, 1.0), origin + Vec2::new(0.0, size))
            } else {
                (direction, end_of(advance, here, next_origin, size, direction))
            };
            self.keep(&text, origin, end, size, direction);
            placed = next;
        }
    }

    fn draw_path(&mut self, path: &BezPath, props: DrawProps<'a>, _: &DrawMode) {
        if path.elements().len() <= RULE_ELEMENTS_MAX {
            self.note_rule((props.transform * path).bounding_box());
        }
    }

    fn draw_rect(&mut self, rect: &Rect, props: DrawProps<'a>, _: &DrawMode) {
        self.note_rule(props.transform.transform_rect_bbox(*rect));
    }

    fn draw_image(&mut self, image: Image<'a, '_>, props: ImageDrawProps<'a>) {
        let size = Rect::new(0.0, 0.0, f64::from(image.width()), f64::from(image.height()));
        let drawn = props.transform.transform_rect_bbox(size).intersect(self.bounds);
        let share = drawn.area() / self.bounds.area().max(1.0);
        if share > self.page.image_share {
            self.page.image_share = share.min(1.0);
        }
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(c: char) -> String {
        let mut text = String::new();
        push_readable(c, &mut text);
        text
    }

    #[test]
    fn ligatures_bullets_and_blanks_become_plain() {
        assert_eq!(read('\u{fb03}'), "ffi");
        assert_eq!(read('\u{f0b7}'), "\u{2022}");
        assert_eq!(read('\u{a0}'), " ");
        assert_eq!(read('\u{0}'), "");
        assert_eq!(read('\u{e123}'), "\u{fffd}");
        assert_eq!(read('\u{2010}'), "\u{2010}", "hyphens are kept verbatim");
    }

    #[test]
    fn outside_and_repeated_text_is_dropped() {
        let mut charmaps = Charmaps::new();
        let mut device = TextDevice::new(100.0, 100.0, &mut charmaps, HashSet::new());
        let right = Vec2::new(1.0, 0.0);
        for (text, x) in [("a", 10.0), ("a", 10.3), ("b", 300.0), ("c", f64::NAN), ("\u{fffd}", 40.0)] {
            device.keep(text, Point::new(x, 50.0), Point::new(x + 5.0, 50.0), 10.0, right);
        }
        let page = device.finish();
        assert_eq!(page.text, "a\u{fffd}");
        assert_eq!((page.printed, page.unmapped), (2, 1));
        assert!((page.readable() - 0.5).abs() < 1e-9);
    }
}
