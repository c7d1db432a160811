//! The start of a PDF that has junk before it: the head of an answer, a mail, a stray line.

use memchr::memmem;

/// Readers look for the mark in so many bytes.
const JUNK_BYTES_MAX: usize = 1_024;

/// Where the PDF in these bytes starts, if they are one.
///
/// A text about PDF may hold the mark too. A PDF with words before it has a version, at the start of a line,
/// and objects behind it.
pub(in crate::document) fn start(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..JUNK_BYTES_MAX).unwrap_or(bytes);
    memmem::find_iter(head, b"%PDF-").find(|at| *at == 0 || is_header(bytes, *at))
}

fn is_header(bytes: &[u8], at: usize) -> bool {
    let begins_line = at
        .checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_none_or(|byte| !byte.is_ascii_graphic() && *byte != b' ');
    let has_version = matches!(bytes.get(at + 5..at + 8), Some([b'1'..=b'2', b'.', b'0'..=b'9']));
    let rest = bytes.get(at..).unwrap_or_default();
    let has_objects = memmem::find(rest, b" obj").is_some() && memmem::find(rest, b"endobj").is_some();
    has_version && has_objects && (begins_line || !bytes.iter().take(at).all(u8::is_ascii))
}

/// The bytes from the mark on, unless the file counts its places from the first byte of the junk.
pub(super) fn without_junk(bytes: &[u8]) -> &[u8] {
    let Some(at) = start(bytes).filter(|at| *at > 0) else { return bytes };
    let counts_junk = memmem::rfind(bytes, b"startxref").is_some_and(|mark| {
        let digits: String = bytes
            .iter()
            .skip(mark + 9)
            .skip_while(|byte| byte.is_ascii_whitespace())
            .take_while(|byte| byte.is_ascii_digit())
            .map(|byte| char::from(*byte))
            .collect();
        let place = digits.parse::<usize>().ok().and_then(|place| bytes.get(place..));
        place.is_some_and(|table| table.starts_with(b"xref"))
    });
    if counts_junk { bytes } else { bytes.get(at..).unwrap_or(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_before_the_mark_is_skipped() {
        let body = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n";
        for junk in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"Some junk before\n", b"\xef\xbb\xbf", b""] {
            let bytes = [junk, body].concat();
            assert_eq!(start(&bytes), Some(junk.len()));
            assert_eq!(without_junk(&bytes), body);
        }
    }

    #[test]
    fn texts_about_pdf_are_no_pdf() {
        assert_eq!(start(b"Just a text about %PDF- marks."), None);
        assert_eq!(start(b"A file starts with\n%PDF-1.7\nand goes on."), None);
        assert_eq!(start(b"inline %PDF-1.7 with 1 0 obj and endobj"), None);
    }
}
