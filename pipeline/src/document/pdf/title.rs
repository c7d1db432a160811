//! The document's title: a sensible one from the metadata, else the largest line of an early page.

use super::glyph::GlyphPage;
use super::{frames, lines, segment};

const TITLE_CHARS_MAX: usize = 200;
const TITLE_LETTERS_MIN: usize = 3;

/// The title in the metadata, unless a program put a file name or a default there.
pub(super) fn from_metadata(bytes: &[u8]) -> Option<String> {
    let title = decode(bytes);
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = title.to_lowercase();
    let file_name =
        [".doc", ".docx", ".ppt", ".pptx", ".indd", ".pdf", ".html", ".htm", ".tex", ".dvi", ".xlsx"];
    let by_program =
        ["untitled", "microsoft word -", "microsoft powerpoint -", "powerpoint pr", "document1", "slide 1"];
    let sensible = title.chars().filter(|c| c.is_alphabetic()).count() >= TITLE_LETTERS_MIN
        && title.chars().count() <= TITLE_CHARS_MAX
        && !title.contains(char::REPLACEMENT_CHARACTER)
        && !file_name.iter().any(|end| lower.ends_with(end))
        && !by_program.iter().any(|start| lower.starts_with(start));
    sensible.then_some(title)
}

/// Decodes a PDF text string: UTF-16 or UTF-8 by its mark, else PDFDocEncoding. That has the letters of
/// Windows-1252.
fn decode(bytes: &[u8]) -> String {
    match bytes {
        [0xfe, 0xff, rest @ ..] => encoding_rs::UTF_16BE.decode_without_bom_handling(rest).0.into_owned(),
        [0xff, 0xfe, rest @ ..] => encoding_rs::UTF_16LE.decode_without_bom_handling(rest).0.into_owned(),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
        },
    }
}

/// The largest text of the page, if it stands out: its first line, and lines of the same size right below.
pub(super) fn from_page(page: &GlyphPage) -> Option<String> {
    const STANDS_OUT: f64 = 1.2;
    let frames = frames::frames(page);
    let segments: Vec<&segment::Segment> = frames.first()?.segments.iter().collect();
    let lines = lines::lines(&segments);
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count();
    let titles = lines.iter().filter(|line| letters(&line.text()) >= TITLE_LETTERS_MIN);
    let largest = titles.clone().map(|line| line.size).fold(0.0, f64::max);
    let mut sizes: Vec<f64> = lines.iter().map(|line| line.size).collect();
    sizes.sort_by(f64::total_cmp);
    let usual = *sizes.get(sizes.len() / 2)?;
    if lines.len() > 2 && largest < STANDS_OUT * usual {
        return None;
    }
    let mut title = String::new();
    let mut last: Option<f64> = None;
    for line in titles.filter(|line| line.size > 0.95 * largest) {
        if last.is_some_and(|last| line.baseline - last > 1.8 * line.size) {
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(&line.text());
        last = Some(line.baseline);
    }
    (!title.is_empty()
        && title.chars().count() <= TITLE_CHARS_MAX
        && !title.contains(char::REPLACEMENT_CHARACTER))
    .then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_titles_of_programs_are_no_titles() {
        assert_eq!(from_metadata(b"Northern  Table 2026"), Some("Northern Table 2026".to_owned()));
        assert_eq!(from_metadata(b"Microsoft Word - report_final.docx"), None);
        assert_eq!(from_metadata(b"Untitled-1"), None);
        assert_eq!(from_metadata(b"report.indd"), None);
        assert_eq!(from_metadata(b" "), None);
    }

    #[test]
    fn metadata_titles_come_in_three_encodings() {
        let expected = Some("Caf\u{e9} trends".to_owned());
        assert_eq!(from_metadata("Caf\u{e9} trends".as_bytes()), expected);
        assert_eq!(from_metadata(b"Caf\xe9 trends"), expected);
        let utf16: Vec<u8> = std::iter::once(0xfeff)
            .chain("Caf\u{e9} trends".encode_utf16())
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(from_metadata(&utf16), expected);
    }
}
