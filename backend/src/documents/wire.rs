//! The messages between parent and child.
//!
//! The parent sends a line of JSON and the document's bytes. The child answers with the texts of all pages as
//! they are, an outline in JSON, and the outline's length in four bytes. Texts are most of an answer, and so
//! nobody escapes or parses them. The end comes last, because some parsers print messages of their own first.

use std::io;

use pipeline::document::{Document, DocumentError, Scans, recognition::Scanned};
use serde::{Deserialize, Serialize};

use super::trailer::{self, split_end};

/// The line that precedes the document's bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) source_name: String,
    pub(super) bytes: usize,
}

/// The rules that the kernel enforces for the child, as the child found them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Confinement {
    pub(super) landlock_abi: u32,
    pub(super) seccomp: bool,
}

impl From<sandbox::Enforced> for Confinement {
    fn from(enforced: sandbox::Enforced) -> Self {
        Self { landlock_abi: enforced.landlock_abi, seccomp: enforced.seccomp }
    }
}

/// The child's answer.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) confinement: Confinement,
    pub(super) result: Result<Scanned, DocumentError>,
}

/// A reply without the texts.
#[derive(Debug, Serialize, Deserialize)]
struct Outline {
    confinement: Confinement,
    result: Result<Document, DocumentError>,
    scans: Scans,
    /// The length of each page's text.
    text_bytes: Vec<usize>,
}

impl Reply {
    /// # Errors
    ///
    /// If the outline is longer than its length can say.
    pub(super) fn encode(mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut text_bytes = Vec::new();
        if let Ok(scanned) = &mut self.result {
            for page in &mut scanned.document.pages {
                let text = std::mem::take(&mut page.text);
                text_bytes.push(text.len());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
        let (result, scans) = match self.result {
            Ok(Scanned { document, scans }) => (Ok(document), scans),
            Err(error) => (Err(error), Scans::default()),
        };
        trailer::append(bytes, &Outline { confinement: self.confinement, result, scans, text_bytes })
    }

    /// None if the bytes do not end in a reply.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (rest, Outline { confinement, mut result, scans, text_bytes }) = trailer::split(bytes)?;
        if let Ok(document) = &mut result {
            if document.pages.len() != text_bytes.len() {
                return None;
            }
            let mut rest = rest;
            for (page, length) in document.pages.iter_mut().zip(text_bytes).rev() {
                let text;
                (rest, text) = split_end(rest, length)?;
                std::str::from_utf8(text).ok()?.clone_into(&mut page.text);
            }
        }
        let result = result.map(|document| Scanned { document, scans });
        Some(Self { confinement, result })
    }
}

#[cfg(test)]
mod tests {
    use pipeline::document::{Format, Page};

    use super::*;

    fn reply(texts: &[&str]) -> Reply {
        let page = |(index, text): (usize, &&str)| Page {
            number: u32::try_from(index).unwrap() + 1,
            text: (*text).to_owned(),
            readable: 0.97,
            running_header_lines: vec![index],
            ..Page::default()
        };
        let document = Document {
            source_name: "a \"name\".pdf".to_owned(),
            format: Format::Pdf,
            title: None,
            pages: texts.iter().enumerate().map(page).collect(),
            warnings: vec!["a warning".to_owned()],
            ..Document::default()
        };
        let scans = Scans { pictures: vec![1], ..Scans::default() };
        let result = Ok(Scanned { document, scans });
        Reply { confinement: Confinement { landlock_abi: 7, seccomp: true }, result }
    }

    #[test]
    fn a_reply_survives_the_way_after_chatter() {
        for texts in [&[][..], &[""], &["caf\u{e9}\n\"quoted\"\0", "", "two\nlines"]] {
            let mut bytes = b"a parser's chatter\n{}".to_vec();
            bytes.extend(reply(texts).encode().unwrap());
            assert_eq!(Reply::decode(&bytes), Some(reply(texts)));
        }
        let refused = || Reply { confinement: Confinement::default(), result: Err(DocumentError::Encrypted) };
        assert_eq!(Reply::decode(&refused().encode().unwrap()), Some(refused()));
    }

    #[test]
    fn a_forged_or_cut_reply_is_none() {
        let bytes = reply(&["some text", "more"]).encode().unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(Reply::decode(&bytes[..cut]), None, "{cut}");
        }
        // A length beyond the answer, and one that parts a character.
        assert_eq!(Reply::decode(&[0xff; 8]), None);
        let mut bytes = reply(&["\u{e9}", "a"]).encode().unwrap();
        bytes[1] = b'a';
        assert_eq!(Reply::decode(&bytes), None);
    }
}
