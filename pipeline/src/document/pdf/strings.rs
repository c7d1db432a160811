//! Text strings of a PDF, in UTF-16, UTF-8 or PDFDocEncoding.

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Decodes a text string. PDFDocEncoding has the letters of Windows-1252, and marks of its own at 0x18 to 0x1f
/// and 0x80 to 0x9f.
pub(super) fn text_string(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => without_language(&UTF_16BE.decode_without_bom_handling(rest).0),
        [0xff, 0xfe, rest @ ..] => without_language(&UTF_16LE.decode_without_bom_handling(rest).0),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ if bytes.is_ascii() => bytes.iter().map(|byte| pdf_doc(*byte)).collect(),
        // Many programs write UTF-8 without its mark. Other text is hardly ever valid UTF-8.
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| pdf_doc(*byte)).collect(),
        },
    }
}

/// A language code stands between two escapes.
fn without_language(text: &str) -> String {
    if !text.contains('\u{1b}') {
        return text.to_owned();
    }
    text.split('\u{1b}').step_by(2).collect()
}

fn pdf_doc(byte: u8) -> char {
    const LOW: [char; 8] =
        ['\u{2d8}', '\u{2c7}', '\u{2c6}', '\u{2d9}', '\u{2dd}', '\u{2db}', '\u{2da}', '\u{2dc}'];
    const HIGH: [char; 32] = [
        '\u{2022}', '\u{2020}', '\u{2021}', '\u{2026}', '\u{2014}', '\u{2013}', '\u{192}', '\u{2044}',
        '\u{2039}', '\u{203a}', '\u{2212}', '\u{2030}', '\u{201e}', '\u{201c}', '\u{201d}', '\u{2018}',
        '\u{2019}', '\u{201a}', '\u{2122}', '\u{fb01}', '\u{fb02}', '\u{141}', '\u{152}', '\u{160}',
        '\u{178}', '\u{17d}', '\u{131}', '\u{142}', '\u{153}', '\u{161}', '\u{17e}', '\u{fffd}',
    ];
    match byte {
        0x18..=0x1f => LOW.get(usize::from(byte - 0x18)).copied().unwrap_or(' '),
        0x80..=0x9f => HIGH.get(usize::from(byte - 0x80)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        0xa0 => '\u{20ac}',
        _ => {
            let (text, ..) = WINDOWS_1252.decode_without_bom_handling(std::slice::from_ref(&byte));
            text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_in_every_encoding() {
        assert_eq!(text_string(b"\xfe\xff\0A\x20\xac"), "A\u{20ac}");
        assert_eq!(text_string(b"\xff\xfeA\0"), "A");
        assert_eq!(text_string(b"\xef\xbb\xbf\xc3\xa9"), "\u{e9}");
        assert_eq!(text_string(b"caf\xe9 \x84 \xa0 5"), "caf\u{e9} \u{2014} \u{20ac} 5");
        assert_eq!(text_string("Zürich".as_bytes()), "Z\u{fc}rich");
        assert_eq!(text_string(b"\xfe\xff\0\x1b\0e\0n\0\x1b\0A"), "A");
    }
}
