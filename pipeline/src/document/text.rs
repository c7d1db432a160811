//! Plain text, and its division into pages.

use super::encoding::{self, Decoded};
use super::error::DocumentError;
use super::raw::{RawDocument, RawPage};

/// The usual size of a page of a text without form feeds: about a printed page.
pub(super) const BLOCK_CHARS: usize = 3_000;

/// Reads plain text. Form feeds end pages. A text without any is divided at paragraphs.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let Decoded { text, warnings } = encoding::decode(bytes, None)?;
    let text = with_line_feeds(text);
    let pages: Vec<String> = if text.trim_matches('\u{c}').contains('\u{c}') {
        text.trim_end_matches('\u{c}').split('\u{c}').map(str::to_owned).collect()
    } else {
        blocks(&text)
    };
    Ok(RawDocument {
        title: title(&text),
        pages: pages.into_iter().map(RawPage::new).collect(),
        warnings,
        ..RawDocument::default()
    })
}

/// The text with the line ends of today. Old files of the Mac end lines with a carriage return alone.
pub(super) fn with_line_feeds(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

/// The first line, if it reads like a title: short, without a full stop, and alone or in capitals.
fn title(text: &str) -> Option<String> {
    const TITLE_CHARS_MAX: usize = 120;
    let mut lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let first = lines.next()?;
    let capitals = first.chars().any(char::is_alphabetic) && !first.chars().any(char::is_lowercase);
    let alone = capitals
        || lines.next().is_none_or(|next| next.is_empty() || next.chars().all(|c| matches!(c, '=' | '-')));
    let like_a_title =
        first.chars().count() <= TITLE_CHARS_MAX && !first.ends_with(['.', ',', ';', ':']) && alone;
    like_a_title.then(|| first.to_owned())
}

/// Divides text into blocks of about [`BLOCK_CHARS`], at empty lines if there are any, else at other lines.
pub(super) fn blocks(text: &str) -> Vec<String> {
    const BLOCK_CHARS_MAX: usize = BLOCK_CHARS * 3 / 2;
    let mut blocks = Vec::new();
    let (mut block, mut block_chars) = (String::new(), 0_usize);
    let mut close = |block: &mut String, chars: &mut usize| {
        if !block.trim().is_empty() {
            blocks.push(std::mem::take(block));
        }
        block.clear();
        *chars = 0;
    };
    for line in text.lines().flat_map(pieces) {
        let chars = line.chars().count() + 1;
        let paragraph_ends = line.trim().is_empty();
        if (paragraph_ends && block_chars >= BLOCK_CHARS) || block_chars + chars > BLOCK_CHARS_MAX {
            close(&mut block, &mut block_chars);
        }
        block.push_str(line);
        block.push('\n');
        block_chars += chars;
    }
    close(&mut block, &mut block_chars);
    blocks
}

/// Cuts a line that is longer than a block into pieces that end at a blank. Some files hold a paragraph, or
/// everything, in one line.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some((limit, _)) = rest.char_indices().nth(BLOCK_CHARS) {
        let head = rest.get(..limit).unwrap_or(rest);
        let end = head.rfind(char::is_whitespace).filter(|end| *end > 0).unwrap_or(limit);
        let (piece, tail) = rest.split_at(end);
        pieces.push(piece);
        rest = tail.trim_start();
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(bytes: &[u8]) -> Vec<String> {
        extract(bytes).unwrap().pages.into_iter().map(|page| page.text).collect()
    }

    const TEXT: &str = "Caf\u{e9} notes \u{2013} 4 \u{20ac}";

    #[test]
    fn every_encoding_gives_the_same_text() {
        let le: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let with_mark = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for bytes in [
            TEXT.as_bytes().to_vec(),
            with_mark(b"\xef\xbb\xbf", TEXT.as_bytes()),
            le.clone(),
            be.clone(),
            with_mark(b"\xff\xfe", &le),
            with_mark(b"\xfe\xff", &be),
            b"Caf\xe9 notes \x96 4 \x80".to_vec(),
        ] {
            assert_eq!(pages(&bytes).concat().trim_end(), TEXT);
        }
    }

    #[test]
    fn cut_off_utf8_stays_utf8() {
        let cut_off = pages("Caf\u{e9} \u{2013}".as_bytes().split_last().unwrap().1);
        assert_eq!(cut_off.concat().trim_end(), "Caf\u{e9} \u{fffd}");
    }

    #[test]
    fn carriage_returns_end_lines() {
        assert_eq!(pages(b"one\rtwo\r\nthree\r\rfour"), ["one\ntwo\nthree\n\nfour\n"]);
    }

    #[test]
    fn form_feeds_end_pages() {
        assert_eq!(pages(b"one\x0c\x0cthree\x0c"), ["one", "", "three"]);
        assert_eq!(pages(b"only\x0c"), ["only\u{c}\n"]);
    }

    #[test]
    fn long_text_is_divided_without_loss() {
        let paragraph = "A sentence of some length that stands here. ".repeat(20);
        let text = [paragraph.trim(); 12].join("\n\n");
        let pages = pages(text.as_bytes());
        assert_eq!(pages.len(), 3);
        assert!(pages.iter().all(|page| page.trim().ends_with("here.")));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&pages.join("\n")), words(&text));
    }

    #[test]
    fn one_long_line_is_divided_at_blanks() {
        let pages = pages("word ".repeat(5_000).as_bytes());
        assert!(pages.len() > 5);
        assert!(pages.iter().all(|page| page.trim().ends_with("word")));
    }

    #[test]
    fn a_lone_first_line_is_the_title() {
        assert_eq!(title("\nField notes\n\nText."), Some("Field notes".to_owned()));
        assert_eq!(title("FIELD NOTES\nby N."), Some("FIELD NOTES".to_owned()));
        assert_eq!(title("Just a first line\nof a paragraph."), None);
    }
}
