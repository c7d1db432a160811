//! Encodings that write other letters with ASCII bytes: ISO-2022, HZ and UTF-7.

use encoding_rs::{GBK, ISO_2022_JP, UTF_8};

use super::decoded::{Decoded, lost};

/// The name of an encoding that these bytes are in, and that no table of ours knows.
pub(super) fn unsupported(bytes: &[u8], declared: Option<&str>) -> Option<&'static str> {
    let has = |sequence: &[u8]| memchr::memmem::find(bytes, sequence).is_some();
    if has(b"\x1b$)C") {
        return Some("ISO-2022-KR");
    }
    if has(b"\x1b$)A") || has(b"\x1b$)G") {
        return Some("ISO-2022-CN");
    }
    let declares_utf7 = declared.is_some_and(|label| {
        label.eq_ignore_ascii_case("utf-7") || label.eq_ignore_ascii_case("unicode-1-1-utf-7")
    });
    let marked = [&b"+/v8"[..], b"+/v9", b"+/v+", b"+/v/"].iter().any(|mark| bytes.starts_with(mark));
    (marked || (bytes.is_ascii() && (declares_utf7 || looks_like_utf7(bytes)))).then_some("UTF-7")
}

/// Decodes ASCII bytes, which may stand for other letters.
pub(super) fn decode(bytes: &[u8], declared: Option<&str>) -> Decoded {
    let named = |name: &str| declared.is_some_and(|label| label.eq_ignore_ascii_case(name));
    if [&b"\x1b$B"[..], b"\x1b$@", b"\x1b(J", b"\x1b(I"]
        .iter()
        .any(|sequence| memchr::memmem::find(bytes, sequence).is_some())
    {
        let decoded = Decoded::of(ISO_2022_JP, bytes);
        return if named("iso-2022-jp") { decoded } else { decoded.guessed("ISO-2022-JP", true) };
    }
    match hz(bytes) {
        Some(decoded) if named("hz-gb-2312") => decoded,
        Some(decoded) => decoded.guessed("HZ-GB-2312", true),
        None => Decoded::of(UTF_8, bytes),
    }
}

/// Decodes HZ: Chinese between `~{` and `~}`, each character as two bytes. `None` if a pair of braces holds anything else.
fn hz(bytes: &[u8]) -> Option<Decoded> {
    memchr::memmem::find(bytes, b"~{")?;
    let mut gbk = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, b"~{") {
        let (before, after) = rest.split_at_checked(at)?;
        let inside = after.get(2..)?;
        let length = memchr::memmem::find(inside, b"~}")?;
        let (inside, after) = inside.split_at_checked(length)?;
        if length == 0 || length % 2 == 1 || !inside.iter().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return None;
        }
        gbk.extend_from_slice(before);
        gbk.extend(inside.iter().map(|byte| byte | 0x80));
        rest = after.get(2..)?;
    }
    gbk.extend_from_slice(rest);
    let decoded = Decoded::of(GBK, &gbk);
    (lost(&decoded.text) == 0).then_some(decoded)
}

/// Whether ASCII bytes hold several letters as UTF-7 writes them: `+AOk-` is é.
fn looks_like_utf7(bytes: &[u8]) -> bool {
    const SEQUENCES_MIN: usize = 3;
    let mut found = 0;
    for sequence in bytes.split(|byte| *byte == b'+').skip(1) {
        let length = sequence
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
            .count();
        // Three letters of base64 begin a unit of 16 bits. Its high byte of a European letter is small, so `A`.
        let is_unit = matches!(length, 3 | 6 | 8 | 11)
            && sequence.get(length) == Some(&b'-')
            && sequence.first() == Some(&b'A');
        found += usize::from(is_unit);
        if found >= SEQUENCES_MIN {
            return true;
        }
    }
    false
}
