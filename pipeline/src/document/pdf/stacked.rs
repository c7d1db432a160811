//! Han and Kana that a program sets from top to bottom, glyph by glyph, with a font for lines.

use std::borrow::Cow;

use hayro_interpret::kurbo::{Point, Vec2};

use super::glyph::{Glyph, GlyphPage};
use super::placed::is_ideograph;

/// Fewer glyphs below each other are cells.
const GLYPHS_MIN: usize = 4;
/// The share of the size by which a glyph reaches above its baseline.
const ASCENT: f64 = 0.88;

/// The page's glyphs, with each stack of ideographs as text that runs downwards.
pub(super) fn turned<'g>(page: &GlyphPage, glyphs: Cow<'g, [Glyph]>) -> Cow<'g, [Glyph]> {
    if !glyphs.windows(GLYPHS_MIN).any(is_stack) {
        return glyphs;
    }
    let mut all = glyphs.into_owned();
    let mut start = 0;
    let lengths: Vec<usize> = all.chunk_by(is_below).map(<[Glyph]>::len).collect();
    for length in lengths {
        if length >= GLYPHS_MIN
            && let Some(stack) = all.get_mut(start..start + length)
            && stack.iter().all(|glyph| page.text_of(glyph).chars().all(is_ideograph))
        {
            stack.iter_mut().for_each(turn);
        }
        start += length;
    }
    Cow::Owned(all)
}

fn is_stack(glyphs: &[Glyph]) -> bool {
    glyphs.windows(2).all(|pair| matches!(pair, [one, next] if is_below(one, next)))
}

/// Whether a glyph is drawn below another, as near as a line of text downwards has them.
fn is_below(one: &Glyph, next: &Glyph) -> bool {
    const STEPS: std::ops::Range<f64> = 0.7..1.7;
    let size = one.size;
    one.direction.x > 0.999
        && next.direction.x > 0.999
        && (one.origin.x - next.origin.x).abs() < 0.2 * size
        && STEPS.contains(&((next.origin.y - one.origin.y) / size.max(0.01)))
}

fn turn(glyph: &mut Glyph) {
    let top = Point::new(glyph.origin.x, glyph.origin.y - ASCENT * glyph.size);
    (glyph.origin, glyph.end) = (top, top + Vec2::new(0.0, glyph.size));
    glyph.direction = Vec2::new(0.0, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(texts: &[&str], step: Vec2) -> GlyphPage {
        let mut page = GlyphPage { width: 600.0, height: 800.0, ..GlyphPage::default() };
        let mut origin = Point::new(300.0, 100.0);
        for text in texts {
            let text_start = page.text.len() as u32;
            page.text.push_str(text);
            page.glyphs.push(Glyph {
                text_start,
                text_end: page.text.len() as u32,
                origin,
                end: origin + Vec2::new(10.0, 0.0),
                size: 10.0,
                direction: Vec2::new(1.0, 0.0),
                bold: false,
                starts_run: true,
            });
            origin += step;
        }
        page
    }

    #[test]
    fn ideographs_below_each_other_run_downwards() {
        let page = page(&["日", "本", "市", "場"], Vec2::new(0.0, 12.0));
        let turned = turned(&page, Cow::Borrowed(&page.glyphs));
        assert!(turned.iter().all(|glyph| glyph.direction.y == 1.0));
    }

    #[test]
    fn lines_and_columns_of_figures_stay() {
        for (texts, step) in
            [(["日", "本", "市", "場"], Vec2::new(12.0, 0.0)), (["1", "2", "3", "4"], Vec2::new(0.0, 12.0))]
        {
            let page = page(&texts, step);
            let turned = turned(&page, Cow::Borrowed(&page.glyphs));
            assert!(turned.iter().all(|glyph| glyph.direction.x == 1.0));
        }
    }
}
