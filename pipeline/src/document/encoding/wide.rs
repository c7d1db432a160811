//! UTF-16 and UTF-32, also without a byte order mark.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use super::decoded::Decoded;

/// More units than this tell nothing new about the encoding.
const SAMPLE_UNITS: usize = 32_768;

/// About a fifth of any Chinese text, old and new characters.
const FREQUENT: &str = "的一是不了人我在有他这這中大来來上国國个個到说說们們为為子和你地出道也时時年得就那要下以生会會自着去之过過家学學对對可她里後";

/// Decodes UTF-32 without its mark.
pub(super) fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Decoded {
    let mut text = String::with_capacity(bytes.len() / 2);
    let units = bytes.as_chunks::<4>();
    text.extend(
        units.0.iter().map(|four| char::from_u32(unit(*four)).unwrap_or(char::REPLACEMENT_CHARACTER)),
    );
    if !units.1.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Decoded::new(text)
}

/// Decodes bytes whose zeros, or whose Japanese letters, show that they are UTF-32 or UTF-16.
pub(super) fn decode(bytes: &[u8]) -> Option<Decoded> {
    if is_utf32(bytes, u32::from_le_bytes) {
        return Some(utf32(bytes, u32::from_le_bytes).guessed("UTF-32LE", true));
    }
    if is_utf32(bytes, u32::from_be_bytes) {
        return Some(utf32(bytes, u32::from_be_bytes).guessed("UTF-32BE", true));
    }
    let encoding = utf16(bytes)?;
    Some(Decoded::of(encoding, bytes).guessed(encoding.name(), true))
}

fn is_utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> bool {
    let (units, rest) = bytes.as_chunks::<4>();
    let mut sample = units.iter().take(SAMPLE_UNITS);
    // Text of one or two characters is rather something else.
    units.len() > 2
        && rest.is_empty()
        && sample.all(|four| char::from_u32(unit(*four)).is_some_and(|c| c != '\0' && is_text(c)))
}

/// UTF-16 holds zeros in bytes of one parity (Latin letters, blanks, line ends), or is Japanese. No other encoding of text
/// holds a zero.
fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let (units, _) = bytes.as_chunks::<2>();
    let units = units.get(..SAMPLE_UNITS).unwrap_or(units);
    if units.len() < 2 {
        return None;
    }
    let little = Look::at(units.iter().map(|two| u16::from_le_bytes(*two)));
    let big = Look::at(units.iter().map(|two| u16::from_be_bytes(*two)));
    let has_zeros = units.iter().any(|two| two.contains(&0));
    // Digits and letters of ASCII, two by two, are Japanese letters too.
    if !has_zeros && std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let (best, other, encoding) =
        if little.typical() >= big.typical() { (little, big, UTF_16LE) } else { (big, little, UTF_16BE) };
    let enough = has_zeros || best.kana * 10 > best.units * 3 || best.is_chinese();
    (enough && best.typical() > other.typical() * 2 && best.odd * 50 <= best.units).then_some(encoding)
}

/// Units of UTF-16, counted.
#[derive(Default)]
struct Look {
    units: usize,
    /// Blanks, line ends, and what else ASCII writes.
    ascii: usize,
    /// Letters that only Japanese has, and punctuation that it shares with Chinese.
    kana: usize,
    /// The most frequent characters of Chinese.
    frequent: usize,
    /// Chinese characters.
    han: usize,
    /// Units that no text holds.
    odd: usize,
}

impl Look {
    fn at(units: impl Iterator<Item = u16>) -> Self {
        let mut look = Self::default();
        for c in char::decode_utf16(units) {
            look.units += 1;
            match c {
                Ok(
                    '\u{3001}' | '\u{3002}' | '\u{3041}'..='\u{30ff}' | '\u{ff01}' | '\u{ff0c}' | '\u{ff1f}',
                ) => {
                    look.kana += 1;
                }
                Ok(c @ '\u{4e00}'..='\u{9fff}') => {
                    look.han += 1;
                    look.frequent += usize::from(FREQUENT.contains(c));
                }
                Ok('\t' | '\n' | '\r' | ' '..='~') => look.ascii += 1,
                Ok(c) if is_text(c) => {}
                _ => look.odd += 1,
            }
        }
        look
    }

    /// Units that one byte order alone makes frequent.
    fn typical(&self) -> usize {
        self.ascii + self.kana + self.frequent
    }

    /// Whether the units can hardly be pairs of bytes of another encoding of Chinese or Japanese.
    fn is_chinese(&self) -> bool {
        const UNITS_MIN: usize = 10;
        self.units >= UNITS_MIN
            && (self.han + self.kana) * 20 >= self.units * 19
            && (self.frequent + self.kana) * 25 >= self.units
    }
}

/// Whether text holds such a character.
fn is_text(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' => true,
        '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' => {
            c == char::REPLACEMENT_CHARACTER || c == '\u{feff}'
        }
        c => !c.is_control(),
    }
}
