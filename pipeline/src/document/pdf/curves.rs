//! Text on a curve: letters that each run in a direction of their own, laid on a straight line.

use std::borrow::Cow;

use hayro_interpret::kurbo::{Point, Vec2};

use super::glyph::Glyph;

/// Fewer letters could be labels that are turned for other reasons.
const LETTERS_MIN: usize = 4;
/// A sharper turn from one letter to the next is no curve.
const TURN_COS_MIN: f64 = 0.77;
/// The next letter starts within this share of the size, where the last one ends.
const REACH: f64 = 0.9;

/// The page's glyphs, with each chain of turning letters straightened from the left to the right.
pub(super) fn straightened(glyphs: &[Glyph]) -> Cow<'_, [Glyph]> {
    let turns = |pair: &[Glyph]| matches!(pair, [one, next] if one.direction != next.direction);
    if glyphs.windows(2).filter(|pair| turns(pair)).count() + 1 < LETTERS_MIN {
        return Cow::Borrowed(glyphs);
    }
    let mut straight: Option<Vec<Glyph>> = None;
    let mut start = 0;
    for chain in glyphs.chunk_by(follows) {
        if is_curve(chain) {
            let all = straight.get_or_insert_with(|| glyphs.to_vec());
            if let Some(chain) = all.get_mut(start..start + chain.len()) {
                straighten(chain);
            }
        }
        start += chain.len();
    }
    straight.map_or(Cow::Borrowed(glyphs), Cow::Owned)
}

/// Whether a glyph is drawn right behind another, with a slight turn or none.
fn follows(one: &Glyph, next: &Glyph) -> bool {
    let size = one.size.max(next.size);
    (one.size - next.size).abs() <= 0.1 * size
        && (next.origin - one.end).hypot() < REACH * size
        && one.direction.dot(next.direction) > TURN_COS_MIN
}

/// Whether most letters of a chain run in another direction than the one before. A slanted line whose letters
/// are drawn one by one differs only by rounding.
fn is_curve(chain: &[Glyph]) -> bool {
    const TURN_MIN: f64 = 0.01;
    let turning = chain
        .windows(2)
        .filter(|pair| matches!(pair, [one, next] if one.direction.cross(next.direction).abs() > TURN_MIN))
        .count();
    chain.len() >= LETTERS_MIN && turning + 1 >= LETTERS_MIN && turning * 2 > chain.len()
}

fn straighten(chain: &mut [Glyph]) {
    let count = chain.len().max(1) as f64;
    let left = chain.iter().map(|glyph| glyph.origin.x).fold(f64::INFINITY, f64::min);
    let level = chain.iter().map(|glyph| glyph.origin.y).sum::<f64>() / count;
    let mut pen = Point::new(left, level);
    let mut last_end: Option<Point> = None;
    for glyph in chain {
        if let Some(last_end) = last_end {
            // The gap along the direction of the letter, as a reader who follows the curve sees it.
            pen.x += (glyph.origin - last_end).dot(glyph.direction).max(0.0);
        }
        last_end = Some(glyph.end);
        let width = (glyph.end - glyph.origin).hypot();
        (glyph.origin, glyph.end) = (pen, pen + Vec2::new(width, 0.0));
        glyph.direction = Vec2::new(1.0, 0.0);
        pen = glyph.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glyph(origin: Point, degrees: f64) -> Glyph {
        let direction = Vec2::from_angle(degrees.to_radians());
        Glyph {
            text_start: 0,
            text_end: 1,
            origin,
            end: origin + direction * 6.0,
            size: 10.0,
            direction,
            bold: false,
            starts_run: false,
        }
    }

    #[test]
    fn letters_on_an_arc_become_a_line() {
        let mut pen = Point::new(10.0, 50.0);
        let arc: Vec<Glyph> = (0..8)
            .map(|step| {
                let glyph = glyph(pen, -50.0 + 14.0 * f64::from(step));
                pen = glyph.end;
                glyph
            })
            .collect();
        let straight = straightened(&arc);
        assert!(straight.iter().all(|glyph| glyph.direction.x == 1.0));
        assert!(straight.windows(2).all(|pair| (pair[1].origin - pair[0].end).hypot() < 0.1));
    }

    #[test]
    fn slanted_and_plain_lines_stay() {
        let line: Vec<Glyph> = (0..8).map(|n| glyph(Point::new(6.0 * f64::from(n), 0.0), 0.0)).collect();
        assert!(matches!(straightened(&line), Cow::Borrowed(_)));
        let slanted: Vec<Glyph> = (0..8)
            .map(|n| glyph(Point::ZERO + Vec2::from_angle(0.5) * (6.0 * f64::from(n)), 0.5_f64.to_degrees()))
            .collect();
        assert!(straightened(&slanted).iter().all(|glyph| glyph.direction.x < 0.9));
    }
}
