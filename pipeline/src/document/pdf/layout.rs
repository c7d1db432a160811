//! The text of a page in reading order, with what is known of its lines.

use hayro_interpret::kurbo::{Affine, Rect};

use super::block::Block;
use super::glyph::GlyphPage;
use super::segment::Frame;
use super::written::{Written, WrittenLine};
use super::{frames, order, structure};
use crate::document::content::{Area, LineMark};
use crate::document::raw::RawPage;

/// A page with more lines is a drawing. Its marks would be larger than its text, and say nothing.
const MARKED_LINES_MAX: usize = 5_000;

/// The text of a page, with the place and the part of each line. Its main writing direction comes first,
/// turned text after it.
pub(super) fn page(glyphs: &GlyphPage) -> RawPage {
    let mut all = Written::default();
    let mut turns: Vec<(usize, Affine)> = Vec::new();
    for frame in frames::frames(glyphs) {
        all.append("\n\n", write(&frame));
        turns.push((all.lines.len(), frame.turn.inverse()));
    }
    if all.lines.len() > MARKED_LINES_MAX {
        return RawPage::new(all.text);
    }
    let roles = structure::roles(&all.lines, &all.text);
    let mut turns = turns.into_iter().peekable();
    let mut marks = Vec::with_capacity(all.lines.len());
    for (index, (line, role)) in all.lines.iter().zip(roles).enumerate() {
        while turns.next_if(|(end, _)| *end <= index).is_some() {}
        let area = turns.peek().and_then(|(_, back)| area(line, *back, glyphs));
        marks.push(LineMark { line: line.line, role, area });
    }
    RawPage { marks, ..RawPage::new(all.text) }
}

/// The place of a line on the page as a reader sees it.
fn area(line: &WrittenLine, back: Affine, page: &GlyphPage) -> Option<Area> {
    let place = back.transform_rect_bbox(Rect::new(line.x0, line.top, line.x1, line.bottom));
    let place = place.intersect(Rect::new(0.0, 0.0, page.width, page.height));
    // A tenth of a point is less than a dot of most screens.
    let rounded = |length: f64| ((length * 10.0).round() / 10.0) as f32;
    let is_sound = place.is_finite() && place.width() > 0.0 && place.height() > 0.0;
    is_sound.then(|| Area {
        left: rounded(place.x0),
        top: rounded(place.y0),
        right: rounded(place.x1),
        bottom: rounded(place.y1),
    })
}

/// The text of a frame.
pub(super) fn write(frame: &Frame) -> Written {
    let mut all = Written::default();
    let mut last: Option<Block<'_>> = None;
    for block in order::blocks(frame) {
        let written = block.write();
        let joined = last
            .as_ref()
            .is_some_and(|last| block.continues_table(last) || runs_on(&all.text, &written.text));
        all.append(if joined { "\n" } else { "\n\n" }, written);
        last = Some(block);
    }
    all
}

/// Whether a sentence continues from the end of one column to the start of the next.
fn runs_on(before: &str, after: &str) -> bool {
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    let open = last_line
        .chars()
        .next_back()
        .is_some_and(|c| c.is_lowercase() || matches!(c, ',' | '-' | '\u{2010}'));
    // A short line is a caption or a heading, not the end of a full column.
    open && last_line.len() > 20
        && after.chars().next().is_some_and(|c| c.is_lowercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_continues_in_the_next_column() {
        assert!(runs_on("the first column ends with an open", "sentence that goes on"));
        assert!(!runs_on("the first column ends with a stop.", "sentence"));
        assert!(!runs_on("the first column ends with an open", "Heading"));
        assert!(runs_on("the panel was in the field from 2 to", "27 March 2026; and"));
        assert!(!runs_on("a caption", "and"));
    }
}
