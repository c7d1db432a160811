//! The prints of a page, so that text printed twice (fake bold, shadows) counts once.

use hayro_interpret::kurbo::{Point, Vec2};

use super::bidi::is_rtl_mark;
use super::glyph::Glyph;

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
    /// The index of the glyph that was printed first.
    glyph: u32,
    /// Another print nearer than this share of the font's size is the same glyph.
    reach: f64,
}

impl Entry {
    /// Whether a print of the same text at this place counts as a repetition.
    fn is_print_of(&self, origin: Point, size: f64, direction: Vec2) -> bool {
        let step = origin - self.origin;
        let is_aslant = direction.cross(step).abs() > ASLANT_MIN * size;
        let reach = if is_aslant && self.reach >= SAME_PLACE { SHADOW } else { self.reach };
        step.hypot() < reach * size
    }
}

const NONE: u32 = u32::MAX;
const CELL_POINTS: f64 = 8.0;
/// The most cells of a side. A4 has 75 by 106. On posters, all glyphs beyond share the border's cells.
const CELLS_PER_SIDE_MAX: usize = 256;
/// Two prints of one character count as one if they are nearer than this share of the font's size.
const SAME_PLACE: f64 = 0.12;
/// A print that repeats another reaches less far, so that slow drift is followed and the second letter of a
/// double stays.
const SAME_PLACE_AGAIN: f64 = 0.06;
/// A shadow lies aslant of its text, where no second letter of a double stands. It may lie further away.
const SHADOW: f64 = 0.25;
const ASLANT_MIN: f64 = 0.03;
/// The most prints of a page that are remembered. Each glyph that is kept takes one.
const PRINTS_MAX: usize = 400_000;
/// The most prints of a cell that are compared, newest first. A cell of dense text has about twenty.
const STEPS_MAX: usize = 500;

impl Overprints {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let cells = |length: f64| ((length / CELL_POINTS) as usize + 1).min(CELLS_PER_SIDE_MAX);
        let (columns, rows) = (cells(width), cells(height));
        Self { columns, rows, heads: vec![NONE; columns * rows], entries: Vec::new() }
    }

    /// Notes the print of a glyph. If the same text stands there already, returns the glyph of that print.
    pub(super) fn insert(&mut self, text: &str, place: &Glyph, glyph: u32) -> Option<u32> {
        let Glyph { origin, .. } = *place;
        let hash = fnv1a(text);
        let known = self.find(hash, place);
        let cell = self.row_of(origin.y) * self.columns + self.column_of(origin.x);
        if self.entries.len() < PRINTS_MAX
            && known.is_none_or(|known| known.origin != origin)
            && let Some(head) = self.heads.get_mut(cell)
        {
            let index = self.entries.len() as u32;
            // The marks of two narrow letters stand nearer to each other, and at other heights, than any two letters.
            let is_near = known.is_some() || text.starts_with(is_rtl_mark);
            let reach = if is_near { SAME_PLACE_AGAIN } else { SAME_PLACE };
            let glyph = known.map_or(glyph, |known| known.glyph);
            self.entries.push(Entry { origin, hash, next: *head, glyph, reach });
            *head = index;
        }
        known.map(|known| known.glyph)
    }

    fn find(&self, hash: u64, place: &Glyph) -> Option<Entry> {
        let Glyph { origin, size, direction, .. } = *place;
        let reach = SHADOW * size;
        for row in self.row_of(origin.y - reach)..=self.row_of(origin.y + reach) {
            for column in self.column_of(origin.x - reach)..=self.column_of(origin.x + reach) {
                let mut next = self.heads.get(row * self.columns + column).copied().unwrap_or(NONE);
                for _ in 0..STEPS_MAX {
                    let Some(entry) = self.entries.get(next as usize) else { break };
                    // Most neighbours are other letters.
                    if entry.hash == hash && entry.is_print_of(origin, size, direction) {
                        return Some(*entry);
                    }
                    next = entry.next;
                }
            }
        }
        None
    }

    fn column_of(&self, x: f64) -> usize {
        ((x.max(0.0) / CELL_POINTS) as usize).min(self.columns - 1)
    }

    fn row_of(&self, y: f64) -> usize {
        ((y.max(0.0) / CELL_POINTS) as usize).min(self.rows - 1)
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

    fn at(x: f64, y: f64, size: f64) -> Glyph {
        Glyph {
            text_start: 0,
            text_end: 0,
            origin: Point::new(x, y),
            end: Point::new(x + size, y),
            size,
            direction: Vec2::new(1.0, 0.0),
            bold: false,
            starts_run: false,
        }
    }

    #[test]
    fn overprints_count_once_across_cell_borders() {
        let mut seen = Overprints::new(600.0, 800.0);
        assert_eq!(seen.insert("a", &at(7.9, 15.9, 10.0), 0), None);
        assert_eq!(seen.insert("a", &at(8.3, 16.3, 10.0), 1), Some(0));
        assert_eq!(seen.insert("b", &at(8.3, 16.3, 10.0), 1), None);
        assert_eq!(seen.insert("a", &at(12.0, 16.0, 10.0), 2), None);
    }

    #[test]
    fn slow_drift_is_one_glyph() {
        let mut seen = Overprints::new(600.0, 800.0);
        let prints: Vec<_> =
            [0.0, 0.5, 1.0, 1.5].iter().map(|x| seen.insert("l", &at(50.0 + x, 9.0, 12.0), 7)).collect();
        assert_eq!(prints, [None, Some(7), Some(7), Some(7)]);
        assert_eq!(seen.insert("l", &at(52.7, 9.0, 12.0), 8), None, "a double letter");
    }

    #[test]
    fn shadows_lie_aslant() {
        let mut seen = Overprints::new(600.0, 800.0);
        assert_eq!(seen.insert("l", &at(50.0, 50.0, 20.0), 0), None);
        assert_eq!(seen.insert("l", &at(53.0, 53.0, 20.0), 1), Some(0));
        assert_eq!(seen.insert("l", &at(54.2, 50.0, 20.0), 1), None, "a double letter");
        assert_eq!(seen.insert("l", &at(50.0, 62.0, 20.0), 2), None, "the next line");
    }

    #[test]
    fn marks_of_narrow_letters_both_stay() {
        let mut seen = Overprints::new(600.0, 800.0);
        let fatha = "\u{64e}";
        assert_eq!(seen.insert(fatha, &at(50.0, 50.0, 10.0), 0), None);
        assert_eq!(seen.insert(fatha, &at(50.2, 50.0, 10.0), 1), Some(0), "fake bold");
        assert_eq!(seen.insert(fatha, &at(52.0, 51.0, 10.0), 1), None, "the next letter's");
    }

    #[test]
    fn places_outside_the_grid_share_cells() {
        let mut seen = Overprints::new(10.0, 10.0);
        assert_eq!(seen.insert("a", &at(-50.0, 9000.0, 10.0), 0), None);
        assert_eq!(seen.insert("a", &at(-50.0, 9000.0, 10.0), 1), Some(0));
        assert_eq!(seen.insert("a", &at(f64::NAN, 0.0, 10.0), 2), None);
    }
}
