//! Decides which glyphs of a page its reader sees, once the whole page is drawn.

use hayro_interpret::kurbo::Vec2;

use super::accents;
use super::canvas::Canvas;
use super::glyph::{Glyph, GlyphPage, raised};
use super::hidden::HiddenGlyphs;
use crate::document::content::HiddenReason;

/// Text below a picture is the text of a scan if at most one glyph in this number stands beside it.
const BESIDE_A_SCAN: usize = 20;

/// The facts about a glyph when it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    pub(super) reason: Option<HiddenReason>,
    /// The number of glyphs drawn before its last visible print.
    pub(super) drawn_at: u32,
}

impl Note {
    /// Notes another print of the same glyph. One visible print is enough.
    pub(super) fn print_again(&mut self, other: Self) {
        if other.reason.is_none() {
            *self = other;
        }
    }
}

/// A page as it was drawn.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// The glyphs that a reader sees.
    pub(super) shown: GlyphPage,
    /// The texts that a reader does not see, one for each reason.
    pub(super) hidden: Vec<(HiddenReason, String)>,
    /// Whether the text lies invisibly on a picture of the page.
    pub(super) is_recognised: bool,
    /// The number of the page's object in the file.
    pub(super) object: Option<u32>,
    /// The number of comments, which stand beside the page.
    pub(super) comments: usize,
}

/// Divides the glyphs of a page into those that a reader sees and the hidden ones.
pub(super) fn look(mut page: GlyphPage, notes: &[Note], canvas: &Canvas) -> Drawn {
    let has_covers = canvas.has_covers();
    if !has_covers && notes.iter().all(|note| note.reason.is_none()) {
        accents::join(&mut page);
        page.count();
        return Drawn { shown: page, ..Drawn::default() };
    }
    let (mut recognised, mut below_picture, mut seen) = (0_usize, 0_usize, 0_usize);
    let mut reasons: Vec<Option<HiddenReason>> = Vec::with_capacity(notes.len());
    let mut scanned: Vec<usize> = Vec::new();
    for (index, (glyph, note)) in page.glyphs.iter().zip(notes).enumerate() {
        let mut reason = note.reason;
        if reason == Some(HiddenReason::Marked) && canvas.has_picture(raised(glyph)) {
            reason = None;
            recognised += 1;
        } else if reason == Some(HiddenReason::Colour) && canvas.is_repainted(raised(glyph), note.drawn_at) {
            reason = None;
        } else if reason.is_none()
            && has_covers
            && let Some(is_picture) = canvas.cover(ends(glyph), note.drawn_at)
        {
            reason = Some(HiddenReason::Covered);
            if is_picture {
                below_picture += 1;
                scanned.push(index);
            }
        }
        seen += usize::from(reason.is_none());
        reasons.push(reason);
    }
    // Some programs put the recognised text visibly below the picture of the page.
    if below_picture > BESIDE_A_SCAN * seen {
        for index in scanned {
            if let Some(reason) = reasons.get_mut(index) {
                *reason = None;
            }
        }
        recognised += below_picture;
        seen += below_picture;
    }
    let mut hidden = HiddenGlyphs::default();
    let mut shown = Vec::with_capacity(seen);
    for (glyph, reason) in page.glyphs.iter().zip(&reasons) {
        match reason {
            Some(reason) => hidden.add(*reason, glyph, &page),
            None => shown.push(*glyph),
        }
    }
    page.glyphs = shown;
    accents::join(&mut page);
    page.count();
    let is_recognised = 2 * recognised > seen;
    Drawn { shown: page, hidden: hidden.finish(), is_recognised, ..Drawn::default() }
}

/// Points in the body of a glyph, at its beginning and its end.
fn ends(glyph: &Glyph) -> [hayro_interpret::kurbo::Point; 2] {
    let up = Vec2::new(glyph.direction.y, -glyph.direction.x) * (0.3 * glyph.size);
    [glyph.origin + up, glyph.end + up]
}
