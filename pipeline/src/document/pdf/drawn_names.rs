//! The names of drawn glyphs (Type 3 fonts) that are numbers. TeX draws its old fonts, and names each glyph
//! after its code.

use hayro_interpret::hayro_syntax::object::{Array, Dict, Object};

/// The most entries of an encoding that are looked at. A font has 256 codes.
const ENTRIES_MAX: usize = 1_000;
/// Of a font of letters, at least this share of the codes are printable in ASCII.
const PRINTABLE_MIN: f64 = 0.6;

/// The fonts whose glyphs are drawings.
#[derive(Debug, Default)]
pub(super) struct DrawnFonts {
    codes: usize,
    printable: usize,
    letters: usize,
    /// A glyph has a name that is not its code.
    has_others: bool,
}

impl DrawnFonts {
    pub(super) fn note(&mut self, font: &Dict<'_>) {
        let encoding = font.get::<Dict<'_>>(b"Encoding".as_slice());
        let Some(differences) =
            encoding.and_then(|encoding| encoding.get::<Array<'_>>(b"Differences".as_slice()))
        else {
            return;
        };
        let mut code = 0_i64;
        for entry in differences.iter::<Object<'_>>().take(ENTRIES_MAX) {
            match entry {
                Object::Number(number) => code = number.as_i64(),
                Object::Name(name) => {
                    self.note_name(name.as_str(), code);
                    code = code.saturating_add(1);
                }
                _ => {}
            }
        }
    }

    fn note_name(&mut self, name: &str, code: i64) {
        let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        if digits.is_empty() {
            // A name of the common list, or `.notdef`.
            return;
        }
        let is_code = digits.parse() == Ok(code) || i64::from_str_radix(digits, 16) == Ok(code);
        self.has_others |= !is_code && !name.starts_with('.');
        self.codes += 1;
        self.printable += usize::from((33..127).contains(&code));
        self.letters += usize::from((97..123).contains(&code));
    }

    /// Whether the codes are characters. Programs that count their glyphs from zero name them alike, but then
    /// hardly any code is a letter.
    pub(super) fn codes_are_characters(&self) -> bool {
        !self.has_others && self.letters > 2 && self.printable as f64 >= PRINTABLE_MIN * self.codes as f64
    }
}

/// The characters of a code: ASCII, and the ligatures of both of TeX's usual encodings.
pub(super) fn character(code: u32) -> Option<&'static str> {
    const ASCII: &str =
        "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
    let code = usize::try_from(code).ok()?;
    match code {
        11 | 27 => Some("ff"),
        12 | 28 => Some("fi"),
        13 | 29 => Some("fl"),
        14 | 30 => Some("ffi"),
        15 | 31 => Some("ffl"),
        21 => Some("\u{2013}"),
        22 => Some("\u{2014}"),
        16 => Some("\u{201c}"),
        17 => Some("\u{201d}"),
        32 => Some(" "),
        33..=126 => ASCII.get(code - 33..code - 32),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[(&str, i64)]) -> bool {
        let mut fonts = DrawnFonts::default();
        names.iter().for_each(|(name, code)| fonts.note_name(name, *code));
        fonts.codes_are_characters()
    }

    #[test]
    fn names_that_are_codes_are_characters() {
        assert!(of(&[("a97", 97), ("a98", 98), ("a122", 122), ("a12", 12)]));
        assert!(of(&[("x61", 97), ("x62", 98), ("x63", 99)]));
        assert!(!of(&[("g1", 97), ("g2", 98), ("g3", 99)]));
        assert!(!of(&[("a0", 0), ("a1", 1), ("a2", 2)]), "counted from zero");
    }

    #[test]
    fn codes_are_ascii_and_ligatures() {
        assert_eq!((character(97), character(126)), (Some("a"), Some("~")));
        assert_eq!((character(14), character(28), character(200)), (Some("ffi"), Some("fi"), None));
    }
}
