//! The charmaps of fonts, read backwards: from a glyph to its character.

use std::collections::HashMap;

use skrifa::MetadataProvider;

use super::readable::is_private_use;

/// The charmap of each font, from glyph index to character.
pub(super) type Charmaps = HashMap<u128, HashMap<u32, char>>;

pub(super) fn reversed_charmap(font: &[u8]) -> HashMap<u32, char> {
    let mut charmap = HashMap::new();
    if let Ok(font) = skrifa::FontRef::new(font) {
        for (code, glyph) in font.charmap().mappings() {
            if let Some(c) = char::from_u32(code).filter(|c| !is_private_use(*c)) {
                charmap.entry(glyph.to_u32()).or_insert(c);
            }
        }
    }
    charmap
}
