//! The place of a glyph: its size, its writing direction, and where the pen stands after it.

use hayro_interpret::font::Glyph as FontGlyph;
use hayro_interpret::kurbo::{Affine, Point, Vec2};

/// How far the glyph moves the pen, in thousandths of its size.
pub(super) fn advance(glyph: &FontGlyph<'_>) -> Option<f64> {
    let advance = match glyph {
        FontGlyph::Outline(outline) => outline.advance_width(),
        FontGlyph::Type3(type3) => type3.advance_width(),
    };
    advance.map(f64::from).filter(|advance| *advance > 0.0)
}

/// The pen's place after the glyph. If the font has no widths, the next glyph's place counts.
pub(super) fn end_of(
    advance: Option<f64>,
    placed: Affine,
    next_origin: Option<Point>,
    size: f64,
    dir: Vec2,
) -> Point {
    let origin = placed * Point::ZERO;
    if let Some(advance) = advance {
        return placed * Point::new(advance, 0.0);
    }
    match next_origin {
        Some(next) if (0.0..1.2 * size).contains(&(next - origin).dot(dir)) => next,
        _ => origin + dir * (0.5 * size),
    }
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
