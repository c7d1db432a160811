//! The weight of fonts: whether a run of glyphs is bold.

use std::collections::HashMap;

use hayro_interpret::font::{Glyph as FontGlyph, GlyphIdentifier, OutlineGlyph, PositionedGlyph};

/// The facts about the glyphs of a page. Reading a font's tables for each run would cost more than its text.
#[derive(Debug, Default)]
pub(super) struct Weights {
    known: HashMap<GlyphIdentifier, bool>,
}

impl Weights {
    /// Whether the font of a run is bold, as far as the file says so.
    pub(super) fn is_bold(&mut self, run: &[PositionedGlyph<'_>]) -> bool {
        let Some(FontGlyph::Outline(outline)) = run.first().map(|first| &**first) else { return false };
        *self.known.entry(outline.identifier()).or_insert_with(|| says_bold(outline))
    }
}

fn says_bold(outline: &OutlineGlyph) -> bool {
    const WEIGHT_MIN: u32 = 600;
    let Some(font) = outline.font_data() else { return false };
    let name = font.postscript_name.unwrap_or_default();
    font.weight.is_some_and(|weight| weight >= WEIGHT_MIN)
        || ["Bold", "bold", "Black", "Heavy"].iter().any(|word| name.contains(word))
}
