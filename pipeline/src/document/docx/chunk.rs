//! Documents that a DOCX takes in as a whole: web pages, mails' pages, texts. Word shows them as its own text.

use crate::document::{email, html, raw::RawDocument, rtf, text};

/// The kind of a document in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Package,
    Mht,
    Html,
    Rtf,
    Text,
    Other,
}

/// The kind by content; the name decides between text and the rest.
pub(super) fn kind(name: &str, bytes: &[u8]) -> Kind {
    const START_BYTES: usize = 1_024;
    let start = bytes.get(..START_BYTES).unwrap_or(bytes);
    let lower = String::from_utf8_lossy(start).replace('\0', "");
    let lower = lower.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let is_named = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if bytes.starts_with(b"PK\x03\x04") {
        Kind::Package
    } else if lower.starts_with("{\\rtf") {
        Kind::Rtf
    } else if is_named(&[".bin"]) {
        Kind::Other
    } else if lower.contains("mime-version:") || lower.contains("content-type: multipart/") {
        Kind::Mht
    } else if lower.starts_with("<!doctype html")
        || lower.contains("<html")
        || lower.contains("<body")
        || is_named(&[".htm", ".html", ".xhtml"])
    {
        Kind::Html
    } else if lower.starts_with("<?xml") {
        Kind::Other
    } else {
        Kind::Text
    }
}

/// A chunk that is no package, if it can be read.
pub(super) fn document(kind: Kind, bytes: &[u8]) -> Option<RawDocument> {
    match kind {
        Kind::Mht => email::mhtml(bytes).ok(),
        Kind::Html => html::extract(bytes).ok(),
        Kind::Rtf => rtf::extract(bytes).ok(),
        Kind::Text => text::extract(bytes).ok(),
        Kind::Package | Kind::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_content() {
        assert_eq!(kind("a.mht", b"MIME-Version: 1.0\r\n"), Kind::Mht);
        assert_eq!(kind("a.dat", b"\xef\xbb\xbf<html><p>a"), Kind::Html);
        assert_eq!(kind("a.docx", b"PK\x03\x04"), Kind::Package);
        assert_eq!(kind("a.txt", b"Plain words."), Kind::Text);
        assert_eq!(kind("a.rtf", b"{\\rtf1 a}"), Kind::Rtf);
    }
}
