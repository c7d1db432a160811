//! The glyphs of a page that are kept, each with what is known of its visibility.

use std::ops::Range;

use hayro_interpret::kurbo::{Affine, Rect};

use super::actual;
use super::boxes;
use super::canvas::Canvas;
use super::fields::Annotations;
use super::glyph::{Glyph, GlyphPage, Rule, raised};
use super::overprints::Overprints;
use super::readable::push_kept;
use super::sight::{Drawn, Note, look};
use super::spans::Actual;
use crate::document::content::HiddenReason;

/// The most glyphs of one page. The densest page seen had 21,000.
const GLYPHS_PER_PAGE_MAX: usize = 200_000;
/// The most hidden glyphs of one page that are kept. They are only named, never quoted.
const HIDDEN_GLYPHS_MAX: usize = 20_000;
/// The most rules of one page. A page with more is a drawing, not a table.
const RULES_PER_PAGE_MAX: usize = 2_000;
/// The greatest height of a rule or a table row's band. A taller box frames whole columns.
const RULE_HEIGHT_MAX_POINTS: f64 = 40.0;

/// Collects the glyphs of one page.
#[derive(Debug)]
pub(super) struct Sheet {
    page: GlyphPage,
    /// One for each glyph of the page.
    notes: Vec<Note>,
    hidden: usize,
    bounds: Rect,
    overprints: Overprints,
    /// The first of the invisible glyphs since the last paint. They may become a clip.
    invisible_since: usize,
    clip_text: Option<ClipText>,
    /// The first glyph that annotations draw.
    annotated_from: usize,
    comments: usize,
}

/// Glyphs whose outlines are the clip in force. They are seen once something is painted through them.
#[derive(Debug)]
struct ClipText {
    glyphs: Range<usize>,
    clips: usize,
    /// Many paints through many glyphs would take long. A picture or a gradient takes few.
    paints_left: usize,
}

const PAINTS_THROUGH_MAX: usize = 100;

impl Sheet {
    /// A sheet of this size. Text may stick out of it up to `bounds`.
    pub(super) fn new(width: f64, height: f64, bounds: Rect) -> Self {
        Self {
            page: GlyphPage { width, height, ..GlyphPage::default() },
            notes: Vec::new(),
            hidden: 0,
            bounds,
            overprints: Overprints::new(width, height),
            invisible_since: 0,
            clip_text: None,
            annotated_from: 0,
            comments: 0,
        }
    }

    /// The number of glyphs so far.
    pub(super) fn len(&self) -> usize {
        self.page.glyphs.len()
    }

    /// Divides the glyphs into seen and hidden ones. `pictures` of them are drawings without a name.
    pub(super) fn finish(self, canvas: &Canvas, pictures: usize) -> Drawn {
        let page = GlyphPage { pictures, ..self.page };
        Drawn { comments: self.comments, ..look(page, &self.notes, canvas) }
    }

    /// Keeps a glyph, unless the same was printed there before.
    pub(super) fn keep(&mut self, text: &str, placed: Glyph, reason: Option<HiddenReason>) {
        let Glyph { origin, end, size, .. } = placed;
        if text.is_empty() || !origin.is_finite() || !end.is_finite() || !size.is_finite() {
            return;
        }
        let index = self.page.glyphs.len();
        let note = Note { reason, drawn_at: index as u32 };
        let blank = text.chars().all(char::is_whitespace);
        let continues = self.page.glyphs.last().is_some_and(|last| (last.end - origin).hypot() < 0.02 * size);
        if !blank
            && reason != Some(HiddenReason::Outside)
            && let Some(first) = self.overprints.insert(text, &placed, index as u32)
            // A letter right behind its like is the second of a double.
            && !(continues && first as usize + 1 == index)
        {
            if let Some(known) = self.notes.get_mut(first as usize) {
                known.print_again(note);
            }
            return;
        }
        // Invisible text may be the text of a scan, of which nothing may be lost.
        if reason.is_some_and(|reason| reason != HiddenReason::Marked) {
            self.hidden += 1;
            if self.hidden > HIDDEN_GLYPHS_MAX {
                return;
            }
        } else if index >= GLYPHS_PER_PAGE_MAX {
            self.page.overflowed = true;
            return;
        }
        let text_start = self.page.text.len() as u32;
        self.page.text.push_str(text);
        let text_end = self.page.text.len() as u32;
        self.page.glyphs.push(Glyph { text_start, text_end, ..placed });
        self.notes.push(note);
    }

    /// A run of visible glyphs follows: the invisible ones before it are no clip.
    pub(super) fn start_visible(&mut self) {
        self.invisible_since = self.len();
    }

    /// A clip is set that is no box, the `clips`th in force. It may be the outlines of the last glyphs.
    pub(super) fn start_clip(&mut self, clips: usize) {
        let glyphs = self.invisible_since..self.len();
        if !glyphs.is_empty() {
            self.clip_text = Some(ClipText { glyphs, clips, paints_left: PAINTS_THROUGH_MAX });
            self.invisible_since = self.len();
        }
    }

    /// So many clips are left in force.
    pub(super) fn end_clip(&mut self, clips: usize) {
        if self.clip_text.as_ref().is_some_and(|text| text.clips > clips) {
            self.clip_text = None;
        }
    }

    /// Something is painted within these bounds.
    pub(super) fn paint_through(&mut self, bounds: Rect) {
        self.invisible_since = self.page.glyphs.len();
        let Some(clip) = &mut self.clip_text else { return };
        let Some(left) = clip.paints_left.checked_sub(1) else { return };
        clip.paints_left = left;
        for index in clip.glyphs.clone() {
            if let (Some(glyph), Some(note)) = (self.page.glyphs.get(index), self.notes.get_mut(index))
                && note.reason == Some(HiddenReason::Marked)
                && bounds.contains(raised(glyph))
            {
                note.reason = None;
            }
        }
    }

    /// Lets the text of a span stand for its glyphs.
    pub(super) fn replace(&mut self, actual: &Actual) {
        actual::replace(actual, &mut self.page, &mut self.notes);
    }

    /// Notes the share of the page that an image covers. Some scanners divide a page into strips.
    pub(super) fn note_image(&mut self, share: f64) {
        if share > 0.0 {
            self.page.image_share = (self.page.image_share + share).min(1.0);
        }
    }

    pub(super) fn note_rule(&mut self, bounds: Rect) {
        if bounds.height() > RULE_HEIGHT_MAX_POINTS
            || bounds.width() < bounds.height()
            || self.page.rules.len() >= RULES_PER_PAGE_MAX
        {
            return;
        }
        self.page.rules.push(Rule { x0: bounds.x0, x1: bounds.x1, top: bounds.y0, bottom: bounds.y1 });
    }

    /// The content of the page is drawn; its annotations follow.
    pub(super) fn start_annotations(&mut self) {
        self.annotated_from = self.page.glyphs.len();
    }

    /// All annotations are drawn: hides those that are off, and draws the texts of boxes that are empty.
    pub(super) fn finish_annotations(&mut self, annotations: &Annotations, transform: Affine) {
        self.comments = annotations.comments;
        let off: Vec<Rect> =
            annotations.off.iter().map(|bounds| boxes::bounds_on_page(*bounds, transform)).collect();
        let drawn = self.page.glyphs.iter().zip(&mut self.notes).skip(self.annotated_from);
        for (glyph, note) in drawn {
            if off.iter().any(|bounds| bounds.contains(raised(glyph))) {
                note.reason = Some(HiddenReason::Layer);
            }
        }
        self.fill_boxes(annotations, transform);
    }

    /// Draws the texts of boxes that annotations left empty. The page's own content may say the same.
    fn fill_boxes(&mut self, annotations: &Annotations, transform: Affine) {
        for text in &annotations.texts {
            let bounds = boxes::bounds_on_page(text.bounds, transform);
            let within = |glyphs: &[Glyph]| -> String {
                let inside = glyphs.iter().filter(|glyph| bounds.contains(raised(glyph)));
                inside.flat_map(|glyph| self.page.text_of(glyph).split_whitespace()).collect()
            };
            let (content, drawn) = self.page.glyphs.split_at(self.annotated_from.min(self.page.glyphs.len()));
            let bare: String = text.text.split_whitespace().collect();
            if !within(drawn).is_empty() || within(content).contains(&bare) {
                continue;
            }
            let mut character = String::new();
            for (c, glyph) in boxes::laid_out(text, transform) {
                character.clear();
                push_kept(c, &mut character);
                let outside = !self.bounds.contains(raised(&glyph));
                self.keep(&character, glyph, outside.then_some(HiddenReason::Outside));
            }
        }
    }
}
