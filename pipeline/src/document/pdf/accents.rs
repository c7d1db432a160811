//! Letters whose accent is a glyph of its own, drawn over the letter, as TeX's old fonts have them.

use hayro_interpret::kurbo::Point;
use unicode_normalization::char::compose as composed;

use super::glyph::{Glyph, GlyphPage};

/// An accent stands over a letter if their middles are nearer than this share of the size.
const SAME_MIDDLE: f64 = 0.3;
/// The accent is drawn at the letter's own line, or a little above it for capitals.
const SAME_LINE: f64 = 0.35;

/// Joins accents with the letters next to them.
pub(super) fn join(page: &mut GlyphPage) {
    if !page.text.contains(|c| combining(c).is_some()) {
        return;
    }
    let mut index = 0;
    while index + 1 < page.glyphs.len() {
        let joined = match page.glyphs.get(index..index + 2) {
            Some([one, next]) if over(one, next) => joined(page.text_of(one), page.text_of(next)),
            _ => None,
        };
        if let Some(letter) = joined {
            let text_start = page.text.len() as u32;
            page.text.push(letter);
            let text_end = page.text.len() as u32;
            // The letter stays in place, and the accent goes.
            let is_accent_first = page
                .glyphs
                .get(index)
                .is_some_and(|glyph| single(page.text_of(glyph)).is_some_and(is_accent));
            let (letter, accent) = if is_accent_first { (index + 1, index) } else { (index, index + 1) };
            if let Some(glyph) = page.glyphs.get_mut(letter) {
                (glyph.text_start, glyph.text_end) = (text_start, text_end);
            }
            if let Some(glyph) = page.glyphs.get_mut(accent) {
                glyph.text_end = glyph.text_start;
            }
            index += 1;
        }
        index += 1;
    }
    page.glyphs.retain(|glyph| glyph.text_start < glyph.text_end);
}

fn over(one: &Glyph, next: &Glyph) -> bool {
    let middle = |glyph: &Glyph| -> Point { glyph.origin.midpoint(glyph.end) };
    let step = middle(next) - middle(one);
    let along = step.dot(one.direction).abs();
    let across = (step - one.direction * step.dot(one.direction)).hypot();
    let size = one.size.max(next.size);
    along < SAME_MIDDLE * size && across < SAME_LINE * size
}

fn joined(one: &str, next: &str) -> Option<char> {
    let (one, next) = (single(one)?, single(next)?);
    match (combining(one), combining(next)) {
        (Some(accent), None) => composed(dotted(next), accent),
        (None, Some(accent)) => composed(dotted(one), accent),
        _ => None,
    }
}

fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

fn is_accent(c: char) -> bool {
    combining(c).is_some()
}

/// An accent takes the place of the dot.
const fn dotted(c: char) -> char {
    match c {
        '\u{131}' => 'i',
        '\u{237}' => 'j',
        c => c,
    }
}

/// The combining form of an accent that stands alone.
const fn combining(c: char) -> Option<char> {
    Some(match c {
        '`' | '\u{2cb}' => '\u{300}',
        '\u{b4}' | '\u{2ca}' => '\u{301}',
        '^' | '\u{2c6}' => '\u{302}',
        '~' | '\u{2dc}' => '\u{303}',
        '\u{af}' | '\u{2c9}' => '\u{304}',
        '\u{2d8}' => '\u{306}',
        '\u{2d9}' => '\u{307}',
        '\u{a8}' => '\u{308}',
        '\u{2da}' => '\u{30a}',
        '\u{2dd}' => '\u{30b}',
        '\u{2c7}' => '\u{30c}',
        '\u{b8}' => '\u{327}',
        '\u{2db}' => '\u{328}',
        c @ '\u{300}'..='\u{328}' => c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use hayro_interpret::kurbo::Vec2;

    use super::*;

    fn page(glyphs: &[(&str, f64)]) -> GlyphPage {
        let mut page = GlyphPage::default();
        for (text, x) in glyphs {
            let text_start = page.text.len() as u32;
            page.text.push_str(text);
            let text_end = page.text.len() as u32;
            let (origin, end) = (Point::new(*x, 10.0), Point::new(x + 5.0, 10.0));
            let direction = Vec2::new(1.0, 0.0);
            page.glyphs.push(Glyph {
                text_start,
                text_end,
                origin,
                end,
                size: 10.0,
                direction,
                bold: false,
                starts_run: false,
            });
        }
        join(&mut page);
        page
    }

    fn text(glyphs: &[(&str, f64)]) -> String {
        let page = page(glyphs);
        page.glyphs.iter().map(|glyph| page.text_of(glyph)).collect()
    }

    #[test]
    fn accents_join_the_letters_below_them() {
        assert_eq!(text(&[("r", 0.0), ("\u{a8}", 5.0), ("o", 5.2), ("b", 10.0)]), "r\u{f6}b");
        assert_eq!(text(&[("c", 0.0), ("\u{b8}", 0.5)]), "\u{e7}");
        assert_eq!(text(&[("\u{b4}", 0.0), ("\u{131}", 0.4)]), "\u{ed}");
    }

    #[test]
    fn accents_beside_letters_stay() {
        assert_eq!(text(&[("~", 0.0), ("n", 5.0)]), "~n");
        assert_eq!(text(&[("x", 0.0), ("^", 5.0), ("2", 10.0)]), "x^2");
    }
}
