//! The hidden text of a page: glyphs that the page holds and its reader does not see.

use std::collections::HashSet;

use super::glyph::{Glyph, GlyphPage};
use crate::document::content::HiddenReason;

/// A gap of this share of the font's size is a blank, and a step of this share is another line.
const BLANK: f64 = 0.17;
const SAME_LINE: f64 = 0.3;

/// Hidden glyphs in the order in which they are drawn, by reason.
#[derive(Debug, Default)]
pub(super) struct HiddenGlyphs {
    runs: Vec<(HiddenReason, String)>,
    last: Option<Glyph>,
}

impl HiddenGlyphs {
    /// Adds a glyph of the page. Only its neighbour decides on blanks: hidden text needs no layout.
    pub(super) fn add(&mut self, reason: HiddenReason, glyph: &Glyph, page: &GlyphPage) {
        let separator = self.last.map_or("", |last| separator(&last, glyph));
        self.last = Some(*glyph);
        let text = page.text_of(glyph);
        match self.runs.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, run)) => {
                let blank = run.ends_with([' ', '\n']) || text.starts_with(' ');
                if !blank || (separator == "\n" && !run.ends_with('\n')) {
                    run.push_str(separator);
                }
                run.push_str(text);
            }
            None => self.runs.push((reason, text.to_owned())),
        }
    }

    /// The texts, one for each reason.
    pub(super) fn finish(self) -> Vec<(HiddenReason, String)> {
        let mut runs = self.runs;
        for (_, run) in &mut runs {
            let lines: Vec<String> =
                run.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
            *run = lines.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join("\n");
        }
        runs.retain(|(_, run)| run.chars().any(char::is_alphanumeric));
        runs
    }
}

/// The text of the layers that are off: what `all` shows beyond `shown`.
pub(super) fn on_layers(all: &GlyphPage, shown: &GlyphPage) -> Vec<(HiddenReason, String)> {
    let key = |page: &GlyphPage, glyph: &Glyph| {
        let place = |value: f64| (2.0 * value).round() as i64;
        (page.text_of(glyph).to_owned(), place(glyph.origin.x), place(glyph.origin.y))
    };
    let seen: HashSet<_> = shown.glyphs.iter().map(|glyph| key(shown, glyph)).collect();
    let mut hidden = HiddenGlyphs::default();
    for glyph in &all.glyphs {
        if !seen.contains(&key(all, glyph)) {
            hidden.add(HiddenReason::Layer, glyph, all);
        }
    }
    hidden.finish()
}

fn separator(last: &Glyph, next: &Glyph) -> &'static str {
    let size = last.size.max(next.size);
    let step = next.origin - last.end;
    let along = step.dot(last.direction);
    let across = (step - last.direction * along).hypot();
    if across > SAME_LINE * size || along < -size {
        "\n"
    } else if along > BLANK * size {
        " "
    } else {
        ""
    }
}
