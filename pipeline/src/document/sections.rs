//! Sections for formats without pages. Each main heading starts one, and each becomes a page.

use super::{
    content::{LineMark, LineRole},
    raw::RawPage,
    text,
};

/// A document without headings is divided into blocks if it has more characters than this.
const UNDIVIDED_CHARS_MAX: usize = 2 * text::BLOCK_CHARS;

/// Collects blocks of text into sections.
#[derive(Debug, Default)]
pub(super) struct Sections {
    done: Vec<RawPage>,
    current: Option<RawPage>,
}

impl Sections {
    /// Starts a new section, unless the current one is still empty.
    pub(super) fn divide(&mut self) {
        self.done.extend(self.current.take());
    }

    /// Adds a page of another document, with what is known of its lines.
    pub(super) fn append(&mut self, page: RawPage) {
        append(self.current.get_or_insert_with(|| RawPage::new(String::new())), page);
    }

    /// Adds a paragraph or other block, after an empty line.
    pub(super) fn block(&mut self, text: &str) {
        self.add(text, "\n\n", LineRole::Text);
    }

    /// Adds a heading, after an empty line. Its level counts from 1.
    pub(super) fn heading(&mut self, level: u8, text: &str) {
        self.add(text, "\n\n", LineRole::Heading(level.clamp(1, 6)));
    }

    /// Adds a line to the block before it.
    pub(super) fn line(&mut self, text: &str) {
        self.add(text, "\n", LineRole::Text);
    }

    /// Adds a list item, with its bullet or number. `continues` a list, or opens one after an empty line.
    pub(super) fn item(&mut self, text: &str, continues: bool) {
        self.add(text, separator(continues), LineRole::ListItem);
    }

    /// Adds a row, as [`row`] makes it. `continues` a table, or opens one after an empty line.
    pub(super) fn table_row(&mut self, text: &str, continues: bool) {
        self.add(text, separator(continues), LineRole::TableRow);
    }

    /// The number of the page that the current section becomes.
    pub(super) fn page_number(&self) -> u32 {
        u32::try_from(self.done.len() + 1).unwrap_or(u32::MAX)
    }

    fn add(&mut self, text: &str, separator: &str, role: LineRole) {
        let text = text.trim();
        if !text.is_empty() {
            self.current.get_or_insert_with(|| RawPage::new(String::new())).push(separator, text, role);
        }
    }

    /// The sections as pages.
    pub(super) fn pages(mut self) -> Vec<RawPage> {
        self.divide();
        let undivided = match self.done.as_slice() {
            [only] if only.text.chars().count() > UNDIVIDED_CHARS_MAX => Some(divided(only)),
            _ => None,
        };
        match undivided {
            Some(pages) => pages,
            None => self.done,
        }
    }
}

/// Adds a page's text, and what is known of its lines, to another page.
pub(super) fn append(page: &mut RawPage, part: RawPage) {
    if part.text.trim().is_empty() {
        return;
    }
    if !page.text.is_empty() {
        page.text.push_str("\n\n");
    }
    let (counted, breaks) = page.counted;
    let new = page.text.as_bytes().get(counted..).unwrap_or_default();
    let first = breaks + memchr::memchr_iter(b'\n', new).count();
    page.counted = (page.text.len(), first);
    page.marks.extend(part.marks.into_iter().map(|mark| LineMark { line: mark.line + first, ..mark }));
    page.text.push_str(&part.text);
}

/// A long page as several, at its paragraphs. The marks follow their lines.
fn divided(page: &RawPage) -> Vec<RawPage> {
    let mut lines = page.text.lines().enumerate().peekable();
    let mut marks = page.marks.iter().peekable();
    let mut pages: Vec<RawPage> = text::blocks(&page.text).into_iter().map(RawPage::new).collect();
    for page in &mut pages {
        for (new, line) in page.text.lines().enumerate() {
            // Blocks leave out empty lines, and cut long ones. The first piece of a line has its mark.
            while lines.next_if(|(_, old)| old.trim().is_empty() && !line.trim().is_empty()).is_some() {}
            let Some((old, _)) = lines.next_if(|(_, old)| old.starts_with(line)) else { continue };
            while marks.next_if(|mark| mark.line < old).is_some() {}
            let mark = marks.next_if(|mark| mark.line == old);
            page.marks.extend(mark.map(|mark| LineMark { line: new, ..*mark }));
        }
    }
    pages
}

fn separator(continues: bool) -> &'static str {
    if continues { "\n" } else { "\n\n" }
}

/// The cells of a row in one line, in the same form for every format.
pub(super) fn row(cells: &[String]) -> String {
    let cells: Vec<String> =
        cells.iter().map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    if cells.iter().all(String::is_empty) { String::new() } else { cells.join(" | ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_divided_at_headings_and_never_empty() {
        let mut sections = Sections::default();
        sections.divide();
        sections.block("Before");
        sections.divide();
        sections.divide();
        sections.block("Heading");
        sections.line("\u{2022} item");
        let texts: Vec<String> = sections.pages().into_iter().map(|page| page.text).collect();
        assert_eq!(texts, ["Before", "Heading\n\u{2022} item"]);
    }

    #[test]
    fn without_headings_paragraphs_divide_a_document() {
        let mut sections = Sections::default();
        for _ in 0..20 {
            sections.block(&"word ".repeat(100));
        }
        assert_eq!(sections.pages().len(), 4);
    }

    #[test]
    fn marks_follow_into_divided_pages() {
        let mut sections = Sections::default();
        for number in 0..20 {
            sections.heading(3, &format!("Heading {number}"));
            sections.block(&"word ".repeat(100));
        }
        let pages = sections.pages();
        let headings = pages
            .iter()
            .flat_map(|page| page.marks.iter().filter_map(|mark| page.text.lines().nth(mark.line)));
        assert_eq!(headings.filter(|line| line.starts_with("Heading")).count(), 20);
        assert_eq!(pages.len(), 4);
    }

    #[test]
    fn rows_without_text_are_nothing() {
        assert_eq!(row(&["a\nb".to_owned(), String::new(), "c".to_owned()]), "a b |  | c");
        assert_eq!(row(&[String::new(), " ".to_owned()]), "");
    }
}
