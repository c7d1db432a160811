//! Encodings: bytes to text, and a warning wherever the text had to be guessed.
//!
//! In this order: a byte order mark; UTF-32 and UTF-16 by the place of their zeros; UTF-8, also with damaged bytes; the
//! declared encoding, unless the bytes contradict it; escape sequences of seven-bit encodings; detection.

mod contradiction;
mod decoded;
mod detect;
mod plausible;
mod seven_bit;
mod tables;
mod wide;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

pub(super) use self::decoded::Decoded;
use super::error::DocumentError;

/// Decodes text. `declared` is the label of the encoding that the file or its carrier names.
///
/// # Errors
///
/// [`DocumentError::Unsupported`] if the text is in an encoding that no table of ours knows.
pub(super) fn decode(bytes: &[u8], declared: Option<&str>) -> Result<Decoded, DocumentError> {
    if let Some(decoded) = marked(bytes) {
        return Ok(decoded);
    }
    if let Some(decoded) = wide::decode(bytes) {
        return Ok(decoded);
    }
    let declared = declared.map(str::trim).filter(|label| !label.is_empty());
    if let Some(name) = seven_bit::unsupported(bytes, declared) {
        return Err(DocumentError::Unsupported(format!("its text is encoded as {name}")));
    }
    if bytes.is_ascii() {
        return Ok(seven_bit::decode(bytes, declared));
    }
    let label = declared.and_then(|label| Encoding::for_label(label.as_bytes()));
    if is_utf8(bytes, label == Some(UTF_8)) {
        return Ok(Decoded::of(UTF_8, bytes));
    }
    let Some(label) = label else { return Ok(detect::detect(bytes).decoded()) };
    let as_declared = Decoded::of(label, bytes);
    let detected = detect::detect(bytes);
    // A label of a wide encoding before bytes that are not wide is wrong, and so is UTF-8 before bytes that are not.
    let possible = label != UTF_8 && label != UTF_16LE && label != UTF_16BE;
    if possible && !contradiction::contradicts(&as_declared, label, &detected, bytes) {
        return Ok(as_declared);
    }
    let mut decoded = detected.decoded();
    decoded.warnings.insert(
        0,
        format!("The file declares the encoding {}, but its bytes are not in that encoding.", label.name()),
    );
    Ok(decoded)
}

/// Decodes text for a first look. Nothing is lost by the errors of [`decode`]: the reader reports them.
pub(super) fn preview(bytes: &[u8]) -> String {
    decode(bytes, None).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), |decoded| decoded.text)
}

/// Decodes text that begins with a byte order mark.
fn marked(bytes: &[u8]) -> Option<Decoded> {
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe\0\0") {
        return Some(wide::utf32(rest, u32::from_le_bytes));
    }
    if let Some(rest) = bytes.strip_prefix(b"\0\0\xfe\xff") {
        return Some(wide::utf32(rest, u32::from_be_bytes));
    }
    if let Some(rest) = bytes.strip_prefix(b"\x84\x31\x95\x33") {
        return Some(Decoded::of(encoding_rs::GB18030, rest));
    }
    let (encoding, mark) = Encoding::for_bom(bytes)?;
    Some(Decoded::of(encoding, bytes.get(mark..).unwrap_or_default()))
}

/// Whether bytes are UTF-8, with no more damaged sequences than a damaged file has. Text in another encoding has hardly
/// a whole sequence of UTF-8.
fn is_utf8(bytes: &[u8], is_declared: bool) -> bool {
    let (mut whole, mut damaged, mut cut_off) = (0_usize, 0_usize, false);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().bytes().filter(|byte| *byte >= 0xc0).count();
        cut_off = !chunk.invalid().is_empty();
        damaged += usize::from(cut_off);
    }
    // The last character of a file that breaks off does not count.
    if cut_off && bytes.utf8_chunks().last().is_some_and(|last| is_cut_off(last.invalid())) && whole > 0 {
        damaged -= 1;
    }
    damaged == 0 || whole >= damaged * if is_declared { 1 } else { 2 }
}

/// Whether bytes are the beginning of a longer sequence.
fn is_cut_off(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests;
