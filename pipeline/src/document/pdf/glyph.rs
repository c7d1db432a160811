//! Glyphs: drawn characters with their places, and the set of those already drawn.

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
    /// The largest share of the page that one image covers, 0 to 1.
    pub(super) image_share: f64,
    /// The page draws more glyphs than are kept.
    pub(super) overflowed: bool,
}

impl GlyphPage {
    pub(super) fn text_of(&self, glyph: &Glyph) -> &str {
        self.text.get(glyph.text_start as usize..glyph.text_end as usize).unwrap_or_default()
    }

    /// The share of printed glyphs that could be read; 1 for a page that prints none.
    pub(super) fn readable(&self) -> f64 {
        if self.printed == 0 { 1.0 } else { 1.0 - self.unmapped as f64 / self.printed as f64 }
    }
}

/// Remembers every print, so that text printed twice (fake bold, shadows) counts once.
///
/// The page is divided into square cells, each with a linked list of its glyphs. A glyph needs one or two
/// look-ups. A hash map of positions would need nine at the borders of its cells.
#[derive(Debug)]
pub(super) struct Overprints {
    columns: usize,
    rows: usize,
    /// Per cell: the index of its newest entry, or `NONE`.
    heads: Vec<u32>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    origin: Point,
    hash: u64,
    next: u32,
}

const NONE: u32 = u32::MAX;
const CELL_POINTS: f64 = 8.0;
/// The most cells of a side. A4 has 75 by 106. On posters, all glyphs beyond share the border's cells.
const CELLS_PER_SIDE_MAX: usize = 256;
/// Two prints of one character count as one if they are nearer than this share of the font's size.
const SAME_PLACE: f64 = 0.12;

impl Overprints {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let cells = |length: f64| ((length / CELL_POINTS) as usize + 1).min(CELLS_PER_SIDE_MAX);
        let (columns, rows) = (cells(width), cells(height));
        Self { columns, rows, heads: vec![NONE; columns * rows], entries: Vec::new() }
    }

    /// Notes a print. Returns false if the same text stands there already.
    pub(super) fn insert(&mut self, text: &str, origin: Point, size: f64) -> bool {
        let hash = fnv1a(text);
        let reach = SAME_PLACE * size;
        let column_of = |x: f64| ((x.max(0.0) / CELL_POINTS) as usize).min(self.columns - 1);
        let row_of = |y: f64| ((y.max(0.0) / CELL_POINTS) as usize).min(self.rows - 1);
        for row in row_of(origin.y - reach)..=row_of(origin.y + reach) {
            for column in column_of(origin.x - reach)..=column_of(origin.x + reach) {
                let mut next = self.heads.get(row * self.columns + column).copied().unwrap_or(NONE);
                while let Some(entry) = self.entries.get(next as usize) {
                    if entry.hash == hash && (entry.origin - origin).hypot() < reach {
                        return false;
                    }
                    next = entry.next;
                }
            }
        }
        let cell = row_of(origin.y) * self.columns + column_of(origin.x);
        if let Some(head) = self.heads.get_mut(cell) {
            let index = self.entries.len() as u32;
            self.entries.push(Entry { origin, hash, next: *head });
            *head = index;
        }
        true
    }
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overprints_count_once_across_cell_borders() {
        let mut seen = Overprints::new(600.0, 800.0);
        assert!(seen.insert("a", Point::new(7.9, 15.9), 10.0));
        assert!(!seen.insert("a", Point::new(8.3, 16.3), 10.0));
        assert!(seen.insert("b", Point::new(8.3, 16.3), 10.0));
        assert!(seen.insert("a", Point::new(12.0, 16.0), 10.0));
    }

    #[test]
    fn places_outside_the_grid_share_cells() {
        let mut seen = Overprints::new(10.0, 10.0);
        assert!(seen.insert("a", Point::new(-50.0, 9000.0), 10.0));
        assert!(!seen.insert("a", Point::new(-50.0, 9000.0), 10.0));
        assert!(seen.insert("a", Point::new(f64::NAN, 0.0), 10.0));
    }
}
