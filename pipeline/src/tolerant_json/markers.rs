//! Markers: characters of a private plane that stand for stray bytes and halves of surrogate pairs.

use std::borrow::Cow;

use crate::llm::{Oddities, Oddity};

/// The marker of the lone surrogate U+D800, followed by those of the others. It is in the last private plane,
/// which no model's text uses.
const SURROGATE_BASE: u32 = 0x10_F000;
const SURROGATES: std::ops::Range<u32> = SURROGATE_BASE..SURROGATE_BASE + 0x800;
/// The marker of the stray byte 0x00, followed by those of the others.
const BYTE_BASE: u32 = 0x10_F800;
const BYTES: std::ops::Range<u32> = BYTE_BASE..BYTE_BASE + 0x100;

/// The bytes as a text that `serde_json` accepts, with markers in place of stray bytes and lone surrogates.
pub(super) fn text_of<'a>(bytes: &'a [u8], oddities: &mut Oddities) -> Cow<'a, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => mark(text, oddities),
        Err(_) => {
            oddities.insert(Oddity::BrokenEncoding);
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                text.push_str(&mark(chunk.valid(), oddities));
                mark_bytes(&mut text, chunk.invalid());
            }
            Cow::Owned(text)
        }
    }
}

/// The text with a marker in place of each escape of half a surrogate pair. A character that looks like a
/// marker becomes markers of its bytes, so that [`join`] restores it.
pub fn mark<'a>(text: &'a str, oddities: &mut Oddities) -> Cow<'a, str> {
    let bytes = text.as_bytes();
    // Most texts have neither an escape nor a character of the last planes.
    if memchr::memchr2(b'\\', 0xF4, bytes).is_none() {
        return Cow::Borrowed(text);
    }
    let may_hold_halves = text.contains("\\ud") || text.contains("\\uD");
    if !may_hold_halves && !text.contains(is_marker) {
        return Cow::Borrowed(text);
    }
    let (mut marked, mut copied, mut at) = (String::new(), 0, 0);
    // U+10F000 and above begin with these bytes.
    while let Some(found) = memchr::memchr2(b'\\', 0xF4, bytes.get(at..).unwrap_or_default()) {
        let start = at + found;
        if bytes.get(start) == Some(&0xF4) {
            at = start + 4;
            if text.get(start..at).is_some_and(|character| character.contains(is_marker)) {
                marked.push_str(text.get(copied..start).unwrap_or_default());
                mark_bytes(&mut marked, bytes.get(start..at).unwrap_or_default());
                copied = at;
            }
            continue;
        }
        let unit = escaped_unit(bytes, start);
        at = start + if unit.is_some() { 6 } else { 2 };
        let Some(unit) = unit.filter(|unit| (0xD800..0xE000).contains(unit)) else { continue };
        let low = escaped_unit(bytes, at).filter(|low| unit < 0xDC00 && (0xDC00..0xE000).contains(low));
        let mut buffer = [0; 4];
        match low {
            Some(low) => {
                at += 6;
                let code = 0x1_0000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
                let Some(character) = char::from_u32(code).filter(|c| is_marker(*c)) else { continue };
                marked.push_str(text.get(copied..start).unwrap_or_default());
                mark_bytes(&mut marked, character.encode_utf8(&mut buffer).as_bytes());
            }
            None => {
                oddities.insert(Oddity::LoneSurrogate);
                marked.push_str(text.get(copied..start).unwrap_or_default());
                marked.extend(char::from_u32(SURROGATE_BASE + unit - 0xD800));
            }
        }
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    marked.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(marked)
}

fn is_marker(character: char) -> bool {
    let code = u32::from(character);
    SURROGATES.contains(&code) || BYTES.contains(&code)
}

fn mark_bytes(text: &mut String, bytes: &[u8]) {
    text.extend(bytes.iter().filter_map(|byte| char::from_u32(BYTE_BASE + u32::from(*byte))));
}

/// The UTF-16 unit of the escape `\uXXXX` at `start`.
fn escaped_unit(bytes: &[u8], start: usize) -> Option<u32> {
    let escape = bytes.get(start..start + 6)?;
    let digits = std::str::from_utf8(escape.strip_prefix(b"\\u")?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// The text with its markers resolved. Neighbouring halves and bytes become characters. A half or byte that
/// stays alone becomes U+FFFD.
#[must_use]
pub fn join(text: String) -> String {
    if !text.contains(is_marker) {
        return text;
    }
    let mut joined = String::with_capacity(text.len());
    let (mut units, mut bytes): (Vec<u16>, Vec<u8>) = (Vec::new(), Vec::new());
    for character in text.chars() {
        let code = u32::from(character);
        if SURROGATES.contains(&code) {
            end_bytes(&mut joined, &mut bytes);
            units.extend(u16::try_from(code - SURROGATE_BASE + 0xD800));
        } else if BYTES.contains(&code) {
            end_units(&mut joined, &mut units);
            bytes.extend(u8::try_from(code - BYTE_BASE));
        } else {
            end_units(&mut joined, &mut units);
            end_bytes(&mut joined, &mut bytes);
            joined.push(character);
        }
    }
    end_units(&mut joined, &mut units);
    end_bytes(&mut joined, &mut bytes);
    joined
}

fn end_units(text: &mut String, units: &mut Vec<u16>) {
    text.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

fn end_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    text.push_str(&String::from_utf8_lossy(bytes));
    bytes.clear();
}
