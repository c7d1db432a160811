//! Finds the characters of glyphs: by the document's tables, by the font's character collection, by the font's
//! charmap.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use hayro_interpret::font::{Glyph as FontGlyph, OutlineFontData, OutlineGlyph};
use hayro_interpret::hayro_cmap::BfString;

use super::charmap::{Fonts, reversed_charmap};
use super::placement::advance;
use super::readable::push_readable;
use super::repeats::Repeats;

/// If the charmap had to recover this many glyphs, the font's own tables are useless.
const RECOVERED_MIN: usize = 3;

/// Names the glyphs of one page.
pub(super) struct Naming<'m> {
    repeats: Repeats,
    /// Shared by the pages of a document: reading a charmap costs more than a page.
    fonts: &'m mut Fonts,
    /// The number of glyphs that each font's charmap recovered.
    recovered: HashMap<u128, usize>,
    /// The fonts whose charmap is asked first.
    charmap_first: HashSet<u128>,
    /// A font could not name a glyph, and the collections have not been looked up yet.
    misses_collections: bool,
    /// The glyphs that are pictures without a name. No engine can know their characters.
    pub(super) pictures: usize,
}

impl<'m> Naming<'m> {
    /// For the fonts in `charmap_first`, the charmap knows more than the interpreter.
    pub(super) fn new(fonts: &'m mut Fonts, charmap_first: HashSet<u128>) -> Self {
        Self {
            repeats: Repeats::new(),
            fonts,
            recovered: HashMap::new(),
            charmap_first,
            misses_collections: false,
            pictures: 0,
        }
    }

    /// Forgets the codes of the last run.
    pub(super) fn start_run(&mut self) {
        self.repeats.start_run();
    }

    /// Fonts whose tables name hardly any character. The interpreter guesses a standard encoding for them,
    /// which is wrong for all their codes. The page is then read again with their charmaps first.
    pub(super) fn unnamed_fonts(&self) -> HashSet<u128> {
        self.recovered.iter().filter(|(_, count)| **count >= RECOVERED_MIN).map(|(font, _)| *font).collect()
    }

    /// Whether the page should be read again after a look at the document's character collections.
    pub(super) fn misses_collections(&self) -> bool {
        self.misses_collections
    }

    /// Sets `text` to the glyph's text, and returns how far the glyph moves the pen.
    pub(super) fn read(&mut self, glyph: &FontGlyph<'_>, text: &mut String) -> Option<f64> {
        let code = glyph.char_code();
        text.clear();
        if let Some(said) = self.repeats.get(code) {
            text.push(said.character);
            return said.advance;
        }
        let advance = advance(glyph);
        // Recovered glyphs are not cached, because each occurrence counts.
        if self.look_up(glyph, text) {
            self.repeats.note(code, text, advance);
        }
        advance
    }

    /// Appends the glyph's text, or U+FFFD. Returns whether the document's tables knew it.
    fn look_up(&mut self, glyph: &FontGlyph<'_>, text: &mut String) -> bool {
        if !self.charmap_first.is_empty()
            && let FontGlyph::Outline(outline) = glyph
            && let Some(data) = outline.font_data()
            && self.charmap_first.contains(&data.cache_key)
            && let Some(c) = self.recover(outline, &data)
        {
            push_readable(c, text);
            return false;
        }
        match glyph.as_unicode() {
            Some(BfString::Char(c)) => push_readable(c, text),
            Some(BfString::String(s)) => s.chars().for_each(|c| push_readable(c, text)),
            None => text.push(char::REPLACEMENT_CHARACTER),
        }
        if !text.contains(char::REPLACEMENT_CHARACTER) {
            return true;
        }
        match glyph {
            FontGlyph::Outline(outline) => self.ask_font(outline, text),
            FontGlyph::Type3(drawing) => self.ask_drawings(drawing.char_code(), text),
        }
        false
    }

    /// Asks the names of all drawn glyphs, because the interpreter does not give that of a single one.
    fn ask_drawings(&mut self, code: u32, text: &mut String) {
        let Some(collections) = &self.fonts.collections else {
            self.misses_collections = true;
            return;
        };
        match collections.drawn_character(code) {
            Some(characters) => {
                text.clear();
                text.push_str(characters);
            }
            None => self.pictures += 1,
        }
    }

    /// Asks the font itself, after the document's tables did not know the glyph.
    fn ask_font(&mut self, outline: &OutlineGlyph, text: &mut String) {
        let Some(data) = outline.font_data() else { return };
        if let Some(name) = &data.postscript_name {
            let Some(collections) = &self.fonts.collections else {
                self.misses_collections = true;
                return;
            };
            if let Some(named) = collections.character(name, outline.char_code()) {
                text.clear();
                match named {
                    BfString::Char(c) => push_readable(c, text),
                    BfString::String(s) => s.chars().for_each(|c| push_readable(c, text)),
                }
                return;
            }
        }
        if let Some(c) = self.recover(outline, &data) {
            *self.recovered.entry(data.cache_key).or_default() += 1;
            text.clear();
            push_readable(c, text);
        }
    }

    /// The character that the font's charmap has for the glyph.
    fn recover(&mut self, outline: &OutlineGlyph, data: &OutlineFontData) -> Option<char> {
        let charmap = match self.fonts.charmaps.entry(data.cache_key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let bytes: &[u8] = (*data.data).as_ref();
                unknown.insert(reversed_charmap(bytes))
            }
        };
        charmap.get(&outline.glyph_id().to_u32()).copied()
    }
}
