//! A document: pages of text in reading order.

use serde::{Deserialize, Serialize};

use super::format::Format;

/// A document: pages of text in reading order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Its origin, for people: a file name or the last part of a URL.
    pub source_name: String,
    pub format: Format,
    /// From the document's metadata or first heading.
    pub title: Option<String>,
    /// At least one. A section of a format without pages counts as a page.
    pub pages: Vec<Page>,
    /// Warnings about the extraction, in sentences.
    pub warnings: Vec<String>,
}

/// One page of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// From 1.
    pub number: u32,
    /// Lines separated by `\n`, paragraphs by an empty line. U+FFFD stands for an unreadable character.
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
