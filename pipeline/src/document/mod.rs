//! A document as the stages see it: pages of text, with what could not be read said plainly.

use serde::{Deserialize, Serialize};

/// The most pages of one document that are read. The longest real report met had 455.
pub const PAGES_MAX: usize = 2_000;

/// The most text of one document that is kept, in bytes: 400 dense pages are about 1.6 MB.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a document turned out to be, by its content and not by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Pdf,
    Docx,
    Pptx,
    Html,
    Markdown,
    Text,
}

/// A document: pages of text in reading order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Where it came from, for people: a file name or the last part of a URL.
    pub source_name: String,
    pub format: Format,
    /// From the document's metadata or first heading.
    pub title: Option<String>,
    /// At least one. A section of a format without pages counts as a page.
    pub pages: Vec<Page>,
    /// What a reader should know about the extraction, in sentences.
    pub warnings: Vec<String>,
}

/// One page of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// From 1.
    pub number: u32,
    /// Lines separated by `\n`, paragraphs by an empty line. U+FFFD stands for what could not be read.
    pub text: String,
    /// The share of the page's glyphs that could be read, 0 to 1 (1 for a page without any).
    pub readable: f64,
    /// Indexes (from 0) of the lines in `text` that repeat on most pages: running headers and footers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub furniture_lines: Vec<usize>,
}

impl Page {
    /// The page's lines without running headers and footers.
    pub fn body_lines(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .enumerate()
            .filter(|(index, _)| !self.furniture_lines.contains(index))
            .map(|(_, line)| line)
    }

    /// The page's text without running headers and footers.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = String::with_capacity(self.text.len());
        for line in self.body_lines() {
            body.push_str(line);
            body.push('\n');
        }
        body
    }
}

impl Document {
    /// The page with this number, if there is one.
    #[must_use]
    pub fn page(&self, number: u32) -> Option<&Page> {
        self.pages.iter().find(|page| page.number == number)
    }
}

/// Why a document could not be read. Each has a stable code that clients see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", content = "reason")]
pub enum DocumentError {
    #[error("the document is protected by a password; remove the protection and try again")]
    #[serde(rename = "DOCUMENT_ENCRYPTED")]
    Encrypted,
    #[error("the document is damaged ({0}); export it again and retry")]
    #[serde(rename = "DOCUMENT_CORRUPT")]
    Corrupt(String),
    #[error("the document holds no readable text ({0})")]
    #[serde(rename = "DOCUMENT_NO_TEXT")]
    NoText(String),
    #[error("the document is too large ({0})")]
    #[serde(rename = "DOCUMENT_TOO_LARGE")]
    TooLarge(String),
    #[error(
        "the document's format is not supported ({0}); use PDF, DOCX, PPTX, HTML, Markdown or plain text"
    )]
    #[serde(rename = "DOCUMENT_UNSUPPORTED")]
    Unsupported(String),
    #[error("reading the document took too long ({0})")]
    #[serde(rename = "DOCUMENT_TIMEOUT")]
    Timeout(String),
    #[error("the document could not be fetched ({0})")]
    #[serde(rename = "DOCUMENT_UNAVAILABLE")]
    Unavailable(String),
}

impl DocumentError {
    /// The stable code, as clients and operators see it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Encrypted => "DOCUMENT_ENCRYPTED",
            Self::Corrupt(_) => "DOCUMENT_CORRUPT",
            Self::NoText(_) => "DOCUMENT_NO_TEXT",
            Self::TooLarge(_) => "DOCUMENT_TOO_LARGE",
            Self::Unsupported(_) => "DOCUMENT_UNSUPPORTED",
            Self::Timeout(_) => "DOCUMENT_TIMEOUT",
            Self::Unavailable(_) => "DOCUMENT_UNAVAILABLE",
        }
    }

    /// Whether the same document may work at another time.
    #[must_use]
    pub const fn can_retry(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Reads a document of any supported format, in this very process.
///
/// Untrusted bytes can make a parser overflow the stack or exhaust memory, which ends the process: a
/// server calls this only in a limited child (`backend::documents::isolate`).
pub fn extract(source_name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
    let _ = (source_name, bytes);
    Err(DocumentError::Unsupported("not built yet".to_owned()))
}
