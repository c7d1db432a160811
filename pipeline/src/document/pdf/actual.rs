//! `ActualText`: a text that stands for the glyphs of a span, such as a word whose font cannot say its letters.

use super::bidi::is_rtl_mark;
use super::glyph::{Glyph, GlyphPage};
use super::readable::push_kept;
use super::sight::Note;
use super::spans::Actual;

/// A text that is this many times longer than its glyphs says what no reader sees.
const LONGER_MAX: usize = 6;
/// So many characters are always allowed.
const CHARS_ALWAYS: usize = 12;
/// Glyphs of one line differ by at most this share of their size.
const SAME_LINE: f64 = 0.5;

/// Lets the text of a span stand for its glyphs, which are the last of the page.
pub(super) fn replace(actual: &Actual, page: &mut GlyphPage, notes: &mut Vec<Note>) {
    let Some(glyphs) = page.glyphs.get(actual.first..) else { return };
    // Letters have room on the line. A mark, which programs draw before or after its letter, has none.
    let is_mark = |glyph: &Glyph| page.text_of(glyph).chars().all(is_rtl_mark);
    let letters = || glyphs.iter().filter(|glyph| !is_mark(glyph));
    let (Some(first), Some(note)) =
        (letters().next().or(glyphs.first()).copied(), notes.get(actual.first).copied())
    else {
        return;
    };
    let own: String = glyphs.iter().map(|glyph| page.text_of(glyph)).collect();
    if bare(&own) == bare(&actual.text) && !actual.text.contains('\u{ad}') {
        return;
    }
    if actual.text.chars().count() > LONGER_MAX * glyphs.len() + CHARS_ALWAYS {
        return;
    }
    let on_line = |end: hayro_interpret::kurbo::Point| {
        let step = end - first.origin;
        (step - first.direction * step.dot(first.direction)).hypot() <= SAME_LINE * first.size
    };
    let is_one_line = glyphs.iter().all(|glyph| on_line(glyph.origin));
    // Over several lines, the places of the words would be lost. Glyphs that can be read keep theirs.
    if !is_one_line && !own.contains(char::REPLACEMENT_CHARACTER) {
        return;
    }
    let end = letters().rev().find(|glyph| on_line(glyph.end)).map_or(first.end, |glyph| glyph.end);
    page.glyphs.truncate(actual.first);
    notes.truncate(actual.first);
    let text_start = page.text.len() as u32;
    for c in actual.text.chars() {
        push_kept(c, &mut page.text);
    }
    let text_end = page.text.len() as u32;
    if text_end > text_start {
        page.glyphs.push(Glyph { text_start, text_end, end, ..first });
        notes.push(note);
    }
}

/// The text without white space and soft hyphens, with the ligatures in letters.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_whitespace() && *c != '\u{ad}') {
        push_kept(c, &mut bare);
    }
    bare
}
