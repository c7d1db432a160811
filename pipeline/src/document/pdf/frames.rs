//! Splits a page by writing direction.

use std::collections::BTreeMap;

use hayro_interpret::kurbo::{Affine, Rect};

use super::bidi::{self, Flow};
use super::curves;
use super::drop_caps;
use super::glyph::{Glyph, GlyphPage, Rule};
use super::gutters;
use super::joining;
use super::placed::Placed;
use super::segment::{Frame, Segment};
use super::{scripts, spaced, stacked};

const DEGREES_PER_KEY: f64 = 15.0;
const KEYS_PER_QUARTER: i32 = 6;

/// The page's frames, the main one first. It runs along an edge of the page, if any text does. A page whose
/// text runs upwards is read like any other. A turned label stays out of the lines beside it.
pub(super) fn frames(page: &GlyphPage) -> Vec<Frame> {
    let mut by_direction: BTreeMap<i32, Vec<&Glyph>> = BTreeMap::new();
    let glyphs = stacked::turned(page, curves::straightened(&page.glyphs));
    for run in glyphs.chunk_by(|one, next| direction_key(one) == direction_key(next)) {
        if let Some(first) = run.first() {
            by_direction.entry(direction_key(first)).or_default().extend(run);
        }
    }
    let mut frames: Vec<(bool, Frame)> = by_direction
        .into_iter()
        .map(|(key, glyphs)| (key % KEYS_PER_QUARTER != 0, frame(page, key, &glyphs)))
        .collect();
    frames.sort_by_key(|(diagonal, frame)| (*diagonal, std::cmp::Reverse(frame.glyphs)));
    frames.into_iter().map(|(_, frame)| frame).collect()
}

/// The writing direction in steps of 15 degrees, from -11 to 12; 0 is to the right.
fn direction_key(glyph: &Glyph) -> i32 {
    // Nearly every glyph runs to the right, and computing the angle is expensive.
    if glyph.direction.x > 0.999 {
        return 0;
    }
    let degrees = glyph.direction.y.atan2(glyph.direction.x).to_degrees();
    let key = (degrees / DEGREES_PER_KEY).round() as i32;
    if key == -12 { 12 } else { key }
}

fn frame(page: &GlyphPage, key: i32, glyphs: &[&Glyph]) -> Frame {
    let turn = Affine::rotate(-(f64::from(key) * DEGREES_PER_KEY).to_radians());
    let extent = turn.transform_rect_bbox(Rect::new(0.0, 0.0, page.width, page.height));
    let rules = page.rules.iter().map(|rule| {
        let turned = turn.transform_rect_bbox(Rect::new(rule.x0, rule.top, rule.x1, rule.bottom));
        Rule { x0: turned.x0, x1: turned.x1, top: turned.y0, bottom: turned.y1 }
    });
    let mut segments = joining::segments(page, glyphs.iter().map(|glyph| Placed::new(page, glyph, turn)));
    spaced::join(&mut segments);
    scripts::join(&mut segments);
    drop_caps::join(&mut segments);
    gutters::split(&mut segments);
    let mut frame = Frame {
        rules: if key == 0 { page.rules.clone() } else { rules.collect() },
        top: extent.y0,
        bottom: extent.y1,
        glyphs: glyphs.len(),
        turn,
        segments,
    };
    if is_from_right(&frame.segments) {
        mirror(&mut frame);
    }
    frame
}

/// Whether most letters are read from right to left.
fn is_from_right(segments: &[Segment]) -> bool {
    if segments.iter().all(|segment| segment.flow == Flow::Left) {
        return false;
    }
    let (right, left) = segments
        .iter()
        .map(|segment| bidi::letters(&segment.text))
        .fold((0, 0), |sum, letters| (sum.0 + letters.0, sum.1 + letters.1));
    right > left
}

/// Lets x grow from right to left.
fn mirror(frame: &mut Frame) {
    frame.turn = Affine::scale_non_uniform(-1.0, 1.0) * frame.turn;
    for segment in &mut frame.segments {
        (segment.x0, segment.x1) = (-segment.x1, -segment.x0);
        segment.mirrored = true;
        if segment.flow != Flow::Left {
            segment.flow = Flow::Right;
        }
    }
    for rule in &mut frame.rules {
        (rule.x0, rule.x1) = (-rule.x1, -rule.x0);
    }
}

#[cfg(test)]
mod tests {
    use hayro_interpret::kurbo::{Point, Vec2};

    use super::*;

    /// Draws text with glyphs of half the size's width, `spacing` apart.
    fn draw(page: &mut GlyphPage, text: &str, origin: Point, size: f64, spacing: f64, direction: Vec2) {
        let mut at = origin;
        for c in text.chars() {
            let end = at + direction * (size * 0.5);
            let text_start = page.text.len() as u32;
            page.text.push(c);
            let text_end = page.text.len() as u32;
            page.glyphs.push(Glyph {
                text_start,
                text_end,
                origin: at,
                end,
                size,
                direction,
                bold: false,
                starts_run: false,
            });
            at = end + direction * spacing;
        }
    }

    fn page() -> GlyphPage {
        GlyphPage { width: 600.0, height: 800.0, ..GlyphPage::default() }
    }

    const RIGHT: Vec2 = Vec2::new(1.0, 0.0);

    fn texts(page: &GlyphPage) -> Vec<String> {
        frames(page).into_iter().flat_map(|frame| frame.segments).map(|segment| segment.text).collect()
    }

    #[test]
    fn gaps_separate_words_without_blanks() {
        let mut page = page();
        draw(&mut page, "new", Point::new(10.0, 10.0), 10.0, 0.0, RIGHT);
        draw(&mut page, "words", Point::new(27.5, 10.0), 10.0, 0.0, RIGHT);
        draw(&mut page, "far", Point::new(90.0, 10.0), 10.0, 0.0, RIGHT);
        assert_eq!(texts(&page), ["new words", "far"]);
    }

    #[test]
    fn tracked_headings_stay_words() {
        let mut page = page();
        draw(&mut page, "TREND WATCH", Point::new(10.0, 10.0), 10.0, 2.5, RIGHT);
        assert_eq!(texts(&page), ["TREND WATCH"]);
    }

    #[test]
    fn superscripts_do_not_lift_their_line() {
        let mut page = page();
        draw(&mut page, "4", Point::new(10.0, 6.5), 6.0, 0.0, RIGHT);
        draw(&mut page, "Source", Point::new(13.2, 10.0), 10.0, 0.0, RIGHT);
        let frames = frames(&page);
        assert_eq!(frames[0].segments.len(), 1);
        assert_eq!(frames[0].segments[0].baseline, 10.0);
    }

    #[test]
    fn turned_text_forms_a_frame_of_its_own() {
        let mut page = page();
        draw(&mut page, "along the page", Point::new(10.0, 10.0), 10.0, 0.0, RIGHT);
        draw(&mut page, "upwards", Point::new(5.0, 300.0), 10.0, 0.0, Vec2::new(0.0, -1.0));
        assert_eq!(texts(&page), ["along the page", "upwards"]);
    }

    #[test]
    fn tight_words_are_told_by_the_gaps() {
        let mut page = page();
        let mut x = 10.0;
        for word in ["words", "set", "tight", "by", "a", "program"] {
            draw(&mut page, word, Point::new(x, 10.0), 10.0, 0.0, RIGHT);
            x += word.len() as f64 * 5.0 + 1.2;
        }
        assert_eq!(texts(&page), ["words set tight by a program"]);
    }

    #[test]
    fn numbers_side_by_side_stay_apart() {
        let mut page = page();
        for n in 0..8 {
            draw(&mut page, &n.to_string(), Point::new(10.0 + 8.0 * f64::from(n), 10.0), 10.0, 0.0, RIGHT);
        }
        assert_eq!(texts(&page), ["0 1 2 3 4 5 6 7"]);
    }

    #[test]
    fn letters_may_be_drawn_from_the_right() {
        let mut page = page();
        for (index, letter) in "שלום עולם".chars().enumerate() {
            let x = 300.0 - 5.0 * index as f64;
            draw(&mut page, &letter.to_string(), Point::new(x, 10.0), 10.0, 0.0, RIGHT);
        }
        let frames = frames(&page);
        assert_eq!(frames[0].segments.len(), 1);
        assert!(frames[0].segments[0].mirrored);
        assert_eq!(frames[0].segments[0].text, "םלוע םולש", "a segment has the order of the page");
    }

    #[test]
    fn ideographs_moved_apart_have_no_blanks() {
        let mut page = page();
        let mut x = 10.0;
        for (index, c) in "日本の市場調査".chars().enumerate() {
            draw(&mut page, &c.to_string(), Point::new(x, 10.0), 10.0, 0.0, RIGHT);
            x += 5.0 + if index % 2 == 0 { 2.0 } else { 3.0 };
        }
        assert_eq!(texts(&page), ["日本の市場調査"]);
    }
}
