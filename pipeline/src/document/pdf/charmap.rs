//! The characters of glyphs that fonts know beyond the document's own tables: charmaps read backwards, and
//! the character collections of East Asian fonts.

use std::collections::HashMap;
use std::rc::Rc;

use hayro_interpret::hayro_cmap::{BfString, CMap, CMapName, CidFamily, load_embedded};
use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::{Array, Dict, Name, Object, String as PdfString};
use skrifa::MetadataProvider;

use super::drawn_names::{self, DrawnFonts};
use super::readable::is_private_use;

/// The most composite fonts whose collections are looked up.
const FONTS_MAX: usize = 2_000;

/// The charmap of each font, from glyph index to character.
pub(super) type Charmaps = HashMap<u128, HashMap<u32, char>>;

/// All that is known of the document's fonts so far.
#[derive(Default)]
pub(super) struct Fonts {
    pub(super) charmaps: Charmaps,
    /// Looked up when the first glyph needs it, because that takes a pass over all objects.
    pub(super) collections: Option<Collections>,
}

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

/// The result of a pass over all font dictionaries.
#[derive(Default)]
pub(super) struct Collections {
    /// The embedded fonts of a known character collection that do not say their characters, by name.
    ///
    /// The interpreter asks a collection only for fonts that are not embedded.
    fonts: HashMap<String, Collected>,
    /// Whether the drawn glyphs of the document are named after their codes, and these are characters.
    codes_are_characters: bool,
}

struct Collected {
    encoding: CMap,
    characters: Rc<CMap>,
}

impl Collections {
    pub(super) fn of(pdf: &Pdf) -> Self {
        let mut known: HashMap<Vec<u8>, Rc<CMap>> = HashMap::new();
        let mut fonts = HashMap::new();
        let mut drawn = DrawnFonts::default();
        let dicts = pdf.objects().into_iter().filter_map(Object::into_dict);
        for font in dicts.filter(|dict| has_subtype(dict, &["Type0", "Type3"])).take(FONTS_MAX) {
            if has_subtype(&font, &["Type3"]) {
                drawn.note(&font);
            } else if !font.contains_key(b"ToUnicode".as_slice())
                && let Some((name, collected)) = collected(&font, &mut known)
            {
                fonts.entry(name).or_insert(collected);
            }
        }
        Self { fonts, codes_are_characters: drawn.codes_are_characters() }
    }

    /// The characters of a code in a font whose glyphs are drawings.
    pub(super) fn drawn_character(&self, code: u32) -> Option<&'static str> {
        if self.codes_are_characters { drawn_names::character(code) } else { None }
    }

    /// The character of a code in the font with this name.
    pub(super) fn character(&self, font: &str, code: u32) -> Option<BfString> {
        let font = self.fonts.get(font)?;
        let cid = (1..=4).find_map(|length| font.encoding.lookup_cid_code(code, length))?;
        font.characters.lookup_bf_string(cid)
    }
}

fn has_subtype(dict: &Dict<'_>, kinds: &[&str]) -> bool {
    dict.get::<Name<'_>>(b"Subtype".as_slice()).is_some_and(|kind| kinds.contains(&kind.as_str()))
}

fn collected(font: &Dict<'_>, known: &mut HashMap<Vec<u8>, Rc<CMap>>) -> Option<(String, Collected)> {
    let descendant = font.get::<Array<'_>>(b"DescendantFonts".as_slice())?.iter::<Dict<'_>>().next()?;
    let info = descendant.get::<Dict<'_>>(b"CIDSystemInfo".as_slice())?;
    let registry = info.get::<PdfString<'_>>(b"Registry".as_slice())?;
    let ordering = info.get::<PdfString<'_>>(b"Ordering".as_slice())?;
    let family = CidFamily::from_registry_ordering(registry.as_bytes(), ordering.as_bytes());
    let map = family.ucs2_cmap()?;
    let characters = match known.get(ordering.as_bytes()) {
        Some(characters) => Rc::clone(characters),
        None => {
            let characters = Rc::new(CMap::parse(load_embedded(map)?, load_embedded)?);
            known.insert(ordering.as_bytes().to_vec(), Rc::clone(&characters));
            characters
        }
    };
    let encoding = match font.get::<Object<'_>>(b"Encoding".as_slice())? {
        Object::Name(name) => match CMapName::from_bytes(name.as_ref()) {
            CMapName::IdentityH => CMap::identity_h(),
            CMapName::IdentityV => CMap::identity_v(),
            other => CMap::parse(load_embedded(other)?, load_embedded)?,
        },
        Object::Stream(stream) => CMap::parse(&stream.decoded_data().ok()?, load_embedded)?,
        _ => return None,
    };
    let name = font.get::<Name<'_>>(b"BaseFont".as_slice())?;
    let name = match name.as_str().split_once('+') {
        Some((prefix, rest)) if prefix.len() == 6 => rest,
        _ => name.as_str(),
    };
    Some((name.to_owned(), Collected { encoding, characters }))
}

/// The tables that the interpreter asks for by name.
///
/// It does not know that `Identity-H` as a `ToUnicode` table says that codes are characters, as some programs
/// write it and viewers read it.
pub(super) fn named_table(name: CMapName<'_>) -> Option<&'static [u8]> {
    match name {
        CMapName::IdentityH | CMapName::IdentityV => Some(
            b"/CMapName /Codes def 1 begincodespacerange <0000> <FFFF> endcodespacerange \
              1 beginbfrange <0000> <FFFF> <0000> endbfrange endcmap",
        ),
        other => load_embedded(other),
    }
}
