//! Draws the texts of boxes as a viewer does, where the page has no appearance for them.

use hayro_interpret::kurbo::{Affine, Point, Rect, Vec2};

use super::fields::BoxText;
use super::glyph::Glyph;

/// The width of a letter and the height of a line, as multiples of the size.
const LETTER_WIDTH: f64 = 0.5;
const LINE_HEIGHT: f64 = 1.2;
/// The distance of the text from the left border, in points.
const MARGIN_POINTS: f64 = 2.0;

/// The box on the drawn page.
pub(super) fn bounds_on_page(bounds: [f64; 4], transform: Affine) -> Rect {
    let [left, bottom, right, top] = bounds;
    transform.transform_rect_bbox(Rect::new(left, bottom, right, top))
}

/// The characters with their places on the drawn page.
pub(super) fn laid_out(text: &BoxText, transform: Affine) -> Vec<(char, Glyph)> {
    let [left, bottom, right, top] = text.bounds;
    let width = LETTER_WIDTH * text.size;
    let per_line = (((right - left - 2.0 * MARGIN_POINTS) / width) as usize).max(1);
    let lines: Vec<String> = text
        .text
        .split(['\n', '\r'])
        .flat_map(|line| if text.wraps { wrapped(line, per_line) } else { vec![line.to_owned()] })
        .filter(|line| !line.trim().is_empty())
        .collect();
    let one_line = lines.len() == 1 && !text.wraps;
    let first = if one_line { (top + bottom) / 2.0 - 0.35 * text.size } else { top - text.size };
    let along = transform * Point::new(1.0, 0.0) - transform * Point::ZERO;
    let scale = along.hypot();
    let direction = if scale > 0.0 { along / scale } else { Vec2::new(1.0, 0.0) };
    let mut glyphs = Vec::new();
    for (row, line) in lines.iter().enumerate() {
        let y = first - row as f64 * LINE_HEIGHT * text.size;
        for (column, c) in line.chars().enumerate() {
            let x = left + MARGIN_POINTS + column as f64 * width;
            let (origin, end) = (transform * Point::new(x, y), transform * Point::new(x + width, y));
            let size = text.size * scale;
            glyphs.push((
                c,
                Glyph {
                    text_start: 0,
                    text_end: 0,
                    origin,
                    end,
                    size,
                    direction,
                    bold: false,
                    starts_run: column == 0,
                },
            ));
        }
    }
    glyphs
}

/// Divides a line at blanks so that each part fits.
fn wrapped(line: &str, chars_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut current, mut length) = (String::new(), 0);
    for word in line.split_whitespace() {
        let chars = word.chars().count();
        if length > 0 && length + 1 + chars > chars_max {
            lines.push(std::mem::take(&mut current));
            length = 0;
        }
        if length > 0 {
            current.push(' ');
            length += 1;
        }
        current.push_str(word);
        length += chars;
    }
    lines.push(current);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_divided_at_blanks() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 3), ["unbreakable"]);
    }

    #[test]
    fn a_text_stands_in_its_box() {
        let text =
            BoxText { text: "ab".to_owned(), bounds: [10.0, 10.0, 110.0, 30.0], size: 10.0, wraps: false };
        let glyphs = laid_out(&text, Affine::new([1.0, 0.0, 0.0, -1.0, 0.0, 100.0]));
        let bounds = bounds_on_page(text.bounds, Affine::new([1.0, 0.0, 0.0, -1.0, 0.0, 100.0]));
        assert!(glyphs.len() == 2 && glyphs.iter().all(|(_, glyph)| bounds.contains(glyph.origin)));
    }
}
