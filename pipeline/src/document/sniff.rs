//! Finds the format of a document from its bytes.

use super::archive::Archive;
use super::office::{old_files, package};
use super::{email, encoding, error::DocumentError, format::Format, odf, pdf::header, sheets};

/// The format of these bytes; the name decides only between plain text and Markdown.
pub(super) fn format(source_name: &str, bytes: &[u8]) -> Result<Format, DocumentError> {
    if bytes.is_empty() {
        return Err(DocumentError::NoText("the file is empty".to_owned()));
    }
    if header::start(bytes).is_some() {
        return Ok(Format::Pdf);
    }
    if is_container(bytes) {
        return container(bytes);
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Err(old_files::compound(bytes));
    }
    // Before anything about characters: parts of a mail may be binary.
    match email::looks_like(bytes, &source_name.to_ascii_lowercase()) {
        Some(email::Mail::Eml) => return Ok(Format::Eml),
        Some(email::Mail::Mhtml) => return Ok(Format::Mhtml),
        None => {}
    }
    if bytes.trim_ascii_start().starts_with(b"{\\rtf") {
        return Ok(Format::Rtf);
    }
    if let Some(name) = known_binary(bytes) {
        return Err(unsupported(name));
    }
    if is_binary(bytes) {
        return Err(unsupported("an unknown binary format"));
    }
    let start = start(bytes);
    if start.trim().is_empty() && bytes.len() <= START_BYTES {
        return Err(DocumentError::NoText("the file holds only white space".to_owned()));
    }
    let name = source_name.to_ascii_lowercase();
    if let Some(format) = odf::flat_format(&start) {
        return Ok(format);
    }
    if let Some(error) = old_files::xml(&start) {
        return Err(error);
    }
    Ok(if is_html(&start, &name) {
        Format::Html
    } else if sheets::is_csv(&start, &name) {
        Format::Csv
    } else if is_markdown(&start, &name) {
        Format::Markdown
    } else {
        Format::Text
    })
}

const START_BYTES: usize = 8_192;

/// The first characters, decoded.
fn start(bytes: &[u8]) -> String {
    encoding::preview(bytes.get(..START_BYTES).unwrap_or(bytes))
}

/// Whether the bytes are a ZIP container. Some servers put a few bytes before it.
fn is_container(bytes: &[u8]) -> bool {
    const JUNK_BYTES_MAX: usize = 256;
    let start = bytes.get(..JUNK_BYTES_MAX).unwrap_or(bytes);
    let is_mark = |at: usize| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x03\x04"));
    bytes.starts_with(b"PK\x05\x06")
        || memchr::memchr_iter(b'P', start).any(is_mark) && (is_mark(0) || is_binary(bytes))
}

fn container(bytes: &[u8]) -> Result<Format, DocumentError> {
    let mut archive = Archive::open(bytes)?;
    if let Some(format) = package::format(&mut archive)? {
        return Ok(format);
    }
    if let Some(format) = odf::format(&mut archive)? {
        return Ok(format);
    }
    let mime = if archive.contains("mimetype") {
        archive.read("mimetype")?.unwrap_or_default()
    } else {
        String::new()
    };
    if mime.contains("epub") || archive.contains("META-INF/container.xml") {
        return Ok(Format::Epub);
    }
    Err(old_files::container(&archive.names().collect::<Vec<_>>()))
}

fn known_binary(bytes: &[u8]) -> Option<&'static str> {
    let marks: [(&[u8], &'static str); 16] = [
        (b"\x89PNG", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF8", "a GIF image"),
        (b"II*\0", "a TIFF image"),
        (b"MM\0*", "a TIFF image"),
        (b"BM", "a BMP image"),
        (b"%!PS", "a PostScript file"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"7z\xbc\xaf", "a 7z archive"),
        (b"Rar!", "a RAR archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\xfd7zXZ", "an xz archive"),
        (b"\x7fELF", "a program"),
        (b"MZ", "a program"),
        (b"OggS", "a sound or video file"),
        (b"ID3", "a sound file"),
    ];
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some("a WebP image");
    }
    let (_, name) = marks.into_iter().find(|(mark, _)| bytes.starts_with(mark))?;
    // Marks of letters alone may start a text.
    let letters = matches!(name, "a BMP image" | "a program" | "a bzip2 archive" | "a sound file");
    (!letters || is_binary(bytes)).then_some(name)
}

/// Whether bytes are no text. Text has hardly any control characters, in any encoding.
fn is_binary(bytes: &[u8]) -> bool {
    const CONTROLS_PER_CHAR_MAX: f64 = 0.02;
    // A damaged text loses more.
    const LOST_PER_CHAR_MAX: f64 = 0.1;
    let start = start(bytes);
    let chars = start.chars().count().max(1) as f64;
    let is_control = |c: char| {
        c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1a}' | '\u{1b}')
    };
    let controls = start.chars().filter(|c| is_control(*c)).count() as f64;
    let lost = start.chars().filter(|c| is_lost(*c)).count() as f64;
    start.contains('\0') || controls > CONTROLS_PER_CHAR_MAX * chars || lost > LOST_PER_CHAR_MAX * chars
}

/// Whether no table could decode a character, or no text contains it.
const fn is_lost(c: char) -> bool {
    matches!(c, char::REPLACEMENT_CHARACTER | '\u{fffe}' | '\u{ffff}')
}

fn is_html(start: &str, name: &str) -> bool {
    let lower = start.trim_start().to_ascii_lowercase();
    let tag = |tag: &str| lower.contains(&format!("<{tag}>")) || lower.contains(&format!("<{tag} "));
    let begins =
        lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.starts_with("<head");
    let named = name.ends_with(".html") || name.ends_with(".htm") || name.ends_with(".xhtml");
    let markup = lower.starts_with('<') && (tag("html") || tag("body"));
    begins
        || markup
        || (named && ["html", "body", "p", "div", "h1", "article", "main", "table"].into_iter().any(tag))
}

fn is_markdown(start: &str, name: &str) -> bool {
    if name.ends_with(".md") || name.ends_with(".markdown") {
        return true;
    }
    if name.ends_with(".txt") || name.ends_with(".text") {
        return false;
    }
    let heading = |line: &&str| {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        (1..=6).contains(&hashes) && line.get(hashes..).is_some_and(|rest| rest.starts_with(' '))
    };
    let headings = start.lines().filter(heading).count();
    let fenced = start.lines().filter(|line| line.starts_with("```")).count() >= 2;
    let linked = start.contains("](http");
    headings >= 2 || (headings == 1 && (fenced || linked))
}

fn unsupported(what: &str) -> DocumentError {
    DocumentError::Unsupported(format!("it looks like {what}"))
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::zip;
    use super::*;

    fn refused(bytes: &[u8]) -> String {
        match format("upload", bytes) {
            Err(DocumentError::Unsupported(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bytes_decide_the_format() {
        assert_eq!(format("x.docx", b"%PDF-1.7\n").unwrap(), Format::Pdf);
        assert_eq!(format("x.pdf", b"\n<!DOCTYPE html><p>a").unwrap(), Format::Html);
        assert_eq!(format("x.pdf", b"Just a text about %PDF- marks.").unwrap(), Format::Text);
        assert_eq!(format("x", b"\0\x01junk\n%PDF-1.4\n1 0 obj\nendobj").unwrap(), Format::Pdf);
        assert_eq!(format("x", &zip(&[("word/document.xml", b"")])).unwrap(), Format::Docx);
        assert_eq!(format("x", &zip(&[("ppt/presentation.xml", b"")])).unwrap(), Format::Pptx);
    }

    #[test]
    fn tables_and_open_documents_are_known() {
        let mime = |kind: &str| format!("application/vnd.oasis.opendocument.{kind}");
        for (kind, expected) in [
            ("text", Format::Odt),
            ("presentation", Format::Odp),
            ("spreadsheet", Format::Ods),
            ("graphics", Format::Odp),
        ] {
            assert_eq!(format("x", &zip(&[("mimetype", mime(kind).as_bytes())])).unwrap(), expected);
            let flat = format!("<?xml version=\"1.0\"?><office:document office:mimetype=\"{}\">", mime(kind));
            assert_eq!(format("x.xml", flat.as_bytes()).unwrap(), expected);
        }
        assert_eq!(format("x", &zip(&[("xl/workbook.xml", b"<workbook/>")])).unwrap(), Format::Xlsx);
        let after_junk = [b"\r\n".as_slice(), &zip(&[("xl/workbook.xml", b"<workbook/>")])].concat();
        assert_eq!(format("x", &after_junk).unwrap(), Format::Xlsx);
        assert_eq!(format("x.csv", b"a;b\nc;d\n").unwrap(), Format::Csv);
    }

    #[test]
    fn names_decide_between_text_and_markdown() {
        assert_eq!(format("a.md", b"plain").unwrap(), Format::Markdown);
        assert_eq!(format("a.txt", b"# One\n\n# Two").unwrap(), Format::Text);
        assert_eq!(format("upload", b"# One\n\ntext\n\n## Two").unwrap(), Format::Markdown);
        assert_eq!(format("upload", b"#hashtag and text").unwrap(), Format::Text);
        assert_eq!(format("a.html", b"<p>a</p>").unwrap(), Format::Html);
        assert_eq!(format("a.txt", b"if a <b and c> d").unwrap(), Format::Text);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        assert!(refused(b"\x89PNG\r\n\x1a\n\0\0").contains("PNG"));
        assert!(refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest").contains("old Office"));
        assert!(refused(&zip(&[("a.txt", b"a")])).contains("ZIP"));
        assert!(refused(&zip(&[("xl/workbook.bin", b"")])).contains(".xlsb"));
        assert!(refused(&[0x00, 0x01, 0x02, 0xfe, 0x90, 0x00]).contains("binary"));
    }

    #[test]
    fn an_office_file_with_a_password_is_encrypted() {
        let mut bytes = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
        bytes.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(format("x.docx", &bytes), Err(DocumentError::Encrypted));
    }

    #[test]
    fn nothing_and_blanks_hold_no_text() {
        assert!(
            matches!(format("x", b""), Err(DocumentError::NoText(reason)) if reason == "the file is empty")
        );
        assert!(matches!(format("x", b" \n\t "), Err(DocumentError::NoText(_))));
    }
}
