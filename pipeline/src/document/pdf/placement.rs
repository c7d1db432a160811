//! The place of a glyph: its size, its writing direction, and where the pen stands after it.

use hayro_interpret::font::{Glyph as FontGlyph, PositionedGlyph};
use hayro_interpret::kurbo::{Affine, Point, Shape, Vec2};

use super::bidi::is_rtl_mark;

/// How far the glyph moves the pen, in thousandths of its size.
pub(super) fn advance(glyph: &FontGlyph<'_>) -> Option<f64> {
    let advance = match glyph {
        FontGlyph::Outline(outline) => outline.advance_width(),
        FontGlyph::Type3(type3) => type3.advance_width(),
    };
    advance.map(f64::from).filter(|advance| *advance > 0.0)
}

/// How far a thousandth of a font's size moves the pen on the page, if the transforms of a run do not say so.
///
/// For a font that the file lacks, the interpreter stretches each glyph of its substitute to the width that
/// the document states. The stretch is part of the glyph's transform and no part of the pen's movement.
#[derive(Debug, Default)]
pub(super) struct PenUnits {
    /// The last run with stretched glyphs: its size, and its unit.
    last: Option<(f64, f64)>,
}

impl PenUnits {
    pub(super) fn of(&mut self, glyphs: &[PositionedGlyph<'_>], transform: Affine) -> Option<f64> {
        let first = glyphs.first()?;
        let size = |placed: Affine| {
            let [.., up_x, up_y, _, _] = placed.as_coeffs();
            up_x.hypot(up_y)
        };
        let placed = transform * first.transform();
        let here = size(placed);
        let last = self.last.filter(|(last, _)| (here - last).abs() < 0.001 * here).map(|(_, unit)| unit);
        if glyphs.iter().all(|glyph| along(glyph) == along(first)) {
            // One letter does not show a stretch. Runs of the same font and size do.
            let [x, y, ..] = placed.as_coeffs();
            return last.filter(|unit| (x.hypot(y) - unit).abs() > 0.005 * unit);
        }
        // Short runs say little, because letters may be set apart from each other.
        let unit = match movement(glyphs, transform) {
            Some(unit) => unit,
            None => return Some(last.unwrap_or(here)),
        };
        self.last = Some((here, unit));
        Some(unit)
    }
}

fn along(glyph: &PositionedGlyph<'_>) -> (f64, f64) {
    let [x, y, ..] = glyph.transform().as_coeffs();
    (x, y)
}

/// The usual movement of the pen from glyph to glyph, for each thousandth of their widths.
fn movement(glyphs: &[PositionedGlyph<'_>], transform: Affine) -> Option<f64> {
    /// So many glyphs of a run show how the pen moves.
    const GLYPHS_SEEN: usize = 64;
    const STEPS_MIN: usize = 4;
    const BLANK: u32 = 32;
    let origin = |glyph: &PositionedGlyph<'_>| transform * (glyph.transform() * Point::ZERO);
    let mut units: Vec<f64> = glyphs
        .windows(2)
        .take(GLYPHS_SEEN)
        .filter_map(|pair| match pair {
            [one, next] if one.char_code() != BLANK => {
                advance(one).map(|advance| (origin(next) - origin(one)).hypot() / advance)
            }
            _ => None,
        })
        .filter(|unit| unit.is_finite())
        .collect();
    units.sort_by(f64::total_cmp);
    (units.len() >= STEPS_MIN).then(|| units.get(units.len() / 2).copied()).flatten()
}

/// The pen's place after the glyph. If the font has no widths, the next glyph's place counts.
pub(super) fn end_of(
    advance: Option<f64>,
    placed: Affine,
    next_origin: Option<Point>,
    slant: Slant,
    pen_unit: Option<f64>,
) -> Point {
    let origin = placed * Point::ZERO;
    match (advance, pen_unit) {
        (Some(advance), None) => return placed * Point::new(advance, 0.0),
        (Some(advance), Some(unit)) => return origin + slant.direction * (advance * unit),
        (None, _) => {}
    }
    match next_origin {
        Some(next) if (0.0..1.2 * slant.size).contains(&(next - origin).dot(slant.direction)) => next,
        _ => origin + slant.direction * (0.5 * slant.size),
    }
}

/// The place on the baseline that is level with the middle of a mark's ink, for the marks of Hebrew and Arabic. Only the ink
/// says which letter carries the mark: programs draw marks before or after their letters, and put the origin anywhere.
pub(super) fn ink_of_mark(glyph: &FontGlyph<'_>, text: &str, placed: Affine) -> Option<Point> {
    let FontGlyph::Outline(outline) = glyph else { return None };
    if !text.starts_with(is_rtl_mark) {
        return None;
    }
    let ink = outline.outline().bounding_box();
    (ink.width() > 0.0).then(|| placed * Point::new(ink.center().x, 0.0))
}

/// The size and the writing direction in a glyph's transform. All glyphs of a line share them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slant {
    linear: [f64; 4],
    pub(super) size: f64,
    pub(super) direction: Vec2,
}

impl Slant {
    pub(super) fn of(placed: Affine) -> Self {
        let [along_x, along_y, up_x, up_y, ..] = placed.as_coeffs();
        let along = Vec2::new(along_x, along_y);
        Self {
            linear: [along_x, along_y, up_x, up_y],
            size: 1000.0 * up_x.hypot(up_y),
            direction: if along.hypot2() > 0.0 { along.normalize() } else { Vec2::new(1.0, 0.0) },
        }
    }

    pub(super) fn is_of(&self, placed: Affine) -> bool {
        placed.as_coeffs().starts_with(&self.linear)
    }
}
