//! A document: pages of text in reading order.

use serde::{Deserialize, Serialize};

use super::format::Format;

/// A document: pages of text in reading order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Text that the file holds and a reader of the document does not see. It is no evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<HiddenText>,
}

/// One page of text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// From 1, in the order of the file.
    pub number: u32,
    /// The name that the document itself gives the page: a sheet, a chapter, a printed page number such as `iv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Lines separated by `\n`, paragraphs by an empty line. U+FFFD stands for an unreadable character.
    pub text: String,
    /// The share of the page's glyphs that could be read, 0 to 1 (1 for a page without any).
    pub readable: f64,
    /// Indexes (from 0) of the lines in `text` that repeat on most pages: running headers and footers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running_header_lines: Vec<usize>,
    /// The facts about single lines of `text`, by ascending line. A line without a mark is running text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<LineMark>,
    /// Whether the text was recognised in a picture of the page.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_recognised: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            number: 0,
            label: None,
            text: String::new(),
            readable: 1.0,
            running_header_lines: Vec::new(),
            marks: Vec::new(),
            is_recognised: false,
        }
    }
}

/// The facts about a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LineMark {
    /// The index of the line in the page's text, from 0.
    pub line: usize,
    #[serde(default, skip_serializing_if = "LineRole::is_text")]
    pub role: LineRole,
    /// The place of the line on its page, where the format has places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Area>,
}

/// The part that a line plays in the structure of its page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineRole {
    /// A line of running text.
    #[default]
    Text,
    /// A line of a heading, with its level from 1.
    Heading(u8),
    /// The first line of a list item. Its bullet or number stands in the text.
    ListItem,
    /// A row of a table. ` | ` separates its cells.
    TableRow,
}

impl LineRole {
    fn is_text(&self) -> bool {
        *self == Self::Text
    }
}

/// A rectangle on a page, in points (1/72 inch) from the page's upper left corner as a reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Area {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

/// Text that a reader of the document does not see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HiddenText {
    /// The number of the page that holds it.
    pub page: u32,
    pub reason: HiddenReason,
    pub text: String,
}

/// Why a reader does not see a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenReason {
    /// The format says so: PDF's invisible render mode, `vanish` of Word, `hidden` or `display: none` of HTML.
    Marked,
    /// On a layer that is switched off.
    Layer,
    /// In the colour of its background.
    Colour,
    /// Too small to be read.
    Tiny,
    /// Under another object.
    Covered,
    /// Outside the page, or outside the area that is painted.
    Outside,
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
