//! A document as the stages see it: pages of text, with what could not be read said plainly.

mod archive;
mod docx;
mod html;
mod markdown;
mod office;
mod packed;
mod pdf;
mod pptx;
mod raw;
mod running_headers;
mod sections;
mod sniff;
mod text;
pub(crate) mod titles;
mod whitespace;
mod xml;

use serde::{Deserialize, Serialize};

pub use self::packed::PackedDocument;
use self::raw::RawDocument;

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

impl Format {
    /// What one of its pages is called; a format without pages is read in sections.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Pdf => "page",
            Self::Pptx => "slide",
            Self::Docx | Self::Html | Self::Markdown | Self::Text => "section",
        }
    }

    /// Where something stands, as it is cited: `p. 5`, `slide 5`, `section 5`.
    #[must_use]
    pub fn place(self, page: u32) -> String {
        match self {
            Self::Pdf => format!("p. {page}"),
            _ => format!("{} {page}", self.unit()),
        }
    }

    /// The pages that a text cites in brackets, as [`Self::place`] writes them: `… (p. 5)`.
    #[must_use]
    pub fn cited_pages(self, text: &str) -> Vec<u32> {
        let opening = match self {
            Self::Pdf => "(p. ".to_owned(),
            _ => format!("({} ", self.unit()),
        };
        text.split(&opening)
            .skip(1)
            .filter_map(|rest| rest.split_once(')').and_then(|(page, _)| page.parse().ok()))
            .collect()
    }
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
    pub running_header_lines: Vec<usize>,
}

impl Page {
    /// The page's lines without running headers and footers.
    pub fn body_lines(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .enumerate()
            .filter(|(index, _)| !self.running_header_lines.contains(index))
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
/// The format is told from the bytes; the name decides only between plain text and Markdown. A document
/// with more than [`PAGES_MAX`] pages or [`TEXT_BYTES_MAX`] of text is [`DocumentError::TooLarge`]: leaving
/// parts out silently would make the report wrong. One without a single readable word is
/// [`DocumentError::NoText`].
///
/// Untrusted bytes can make a parser overflow the stack or exhaust memory, which ends the process: a
/// server calls this only in a limited child (`backend::documents::isolate`).
pub fn extract(source_name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
    let format = sniff::format(source_name, bytes)?;
    let raw = match format {
        Format::Pdf => pdf::extract(bytes),
        Format::Docx => docx::extract(bytes),
        Format::Pptx => pptx::extract(bytes),
        Format::Html => html::extract(bytes),
        Format::Markdown => markdown::extract(bytes),
        Format::Text => text::extract(bytes),
    }?;
    finish(source_name, format, raw)
}

/// The work that all formats share: white space, page numbers, limits, running headers.
fn finish(source_name: &str, format: Format, raw: RawDocument) -> Result<Document, DocumentError> {
    if raw.pages.len() > PAGES_MAX {
        return Err(DocumentError::TooLarge(format!(
            "{} pages; at most {PAGES_MAX} are read",
            raw.pages.len()
        )));
    }
    let mut pages: Vec<Page> = Vec::with_capacity(raw.pages.len());
    let (mut text_bytes, mut has_words) = (0_usize, false);
    for (page, number) in raw.pages.into_iter().zip(1..) {
        let text = whitespace::normalised(&page.text);
        text_bytes += text.len();
        has_words = has_words || text.chars().any(char::is_alphanumeric);
        pages.push(Page { number, text, readable: page.readable, running_header_lines: Vec::new() });
    }
    if text_bytes > TEXT_BYTES_MAX {
        return Err(DocumentError::TooLarge(format!("more than {TEXT_BYTES_MAX} bytes of text")));
    }
    if !has_words {
        return Err(DocumentError::NoText("it holds no words".to_owned()));
    }
    running_headers::mark(&mut pages);
    let title = raw.title.map(|title| whitespace::one_line(&title)).filter(|title| !title.is_empty());
    let title = title.map(|title| titles::without_shouting(&title, &titles::abbreviations(&pages)));
    Ok(Document { source_name: source_name.to_owned(), format, title, pages, warnings: raw.warnings })
}

#[cfg(test)]
mod tests;
