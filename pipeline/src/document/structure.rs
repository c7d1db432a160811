//! A page as Markdown, for readers that understand headings, lists and tables by their marks.

use super::content::{LineRole, Page};

/// The deepest heading of Markdown.
const LEVEL_MAX: u8 = 6;

/// The bullets that documents use. Markdown has one for all.
const BULLETS: [char; 14] =
    ['•', '▪', '▫', '■', '□', '●', '○', '◦', '‣', '➢', '➤', '►', '\u{f0b7}', '\u{f0a7}'];

impl Page {
    /// The page's text without running headers and footers, with the marks of Markdown at headings, list items and
    /// table rows. A page without marks is its plain text.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut markdown = String::with_capacity(self.text.len() + self.text.len() / 16);
        let mut marks = self.marks.iter().peekable();
        let mut in_table = false;
        for (number, line) in self.text.lines().enumerate() {
            while marks.next_if(|mark| mark.line < number).is_some() {}
            let role =
                marks.peek().filter(|mark| mark.line == number).map_or(LineRole::Text, |mark| mark.role);
            if self.running_header_lines.contains(&number) {
                continue;
            }
            let was_in_table = std::mem::replace(&mut in_table, role == LineRole::TableRow);
            match role {
                LineRole::Text => markdown.push_str(line),
                LineRole::Heading(level) => {
                    markdown.push_str(&"#".repeat(usize::from(level.clamp(1, LEVEL_MAX))));
                    markdown.push(' ');
                    markdown.push_str(line.trim_start());
                }
                LineRole::ListItem => markdown.push_str(&list_item(line)),
                LineRole::TableRow => markdown.push_str(&table_row(line, !was_in_table)),
            }
            markdown.push('\n');
        }
        markdown
    }
}

/// The item with the bullet of Markdown, unless it has a number or a bullet that Markdown knows.
fn list_item(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let (indent, item) = line.split_at(indent);
    if let Some(rest) = item.strip_prefix(BULLETS) {
        return format!("{indent}- {}", rest.trim_start());
    }
    let marker = item.split_whitespace().next().unwrap_or_default();
    let is_marked = matches!(marker, "-" | "*" | "+" | "–" | "—") || is_number(marker);
    if is_marked { line.to_owned() } else { format!("{indent}- {item}") }
}

/// Whether a word is the number of a list item: `1.`, `2)`, `a)`, `iv.`, `1.2.`.
fn is_number(word: &str) -> bool {
    const CHARS_MAX: usize = 8;
    word.ends_with(['.', ')'])
        && word.len() <= CHARS_MAX
        && word.trim_start_matches('(').chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ')'))
}

/// The row between borders. The first of a table is its head.
fn table_row(line: &str, is_first: bool) -> String {
    let row = format!("| {} |", line.trim());
    if !is_first {
        return row;
    }
    let cells = line.split(" | ").count();
    format!("{row}\n|{}", " --- |".repeat(cells))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::LineMark;

    #[test]
    fn marks_become_markdown() {
        let mark = |line, role| LineMark { line, role, area: None };
        let page = Page {
            text: "REPORT\nReuse\nTins come back.\n• first\n2. second\nthird\nA | B\n1 | 2\n\nEnd".to_owned(),
            running_header_lines: vec![0],
            marks: vec![
                mark(1, LineRole::Heading(2)),
                mark(3, LineRole::ListItem),
                mark(4, LineRole::ListItem),
                mark(5, LineRole::ListItem),
                mark(6, LineRole::TableRow),
                mark(7, LineRole::TableRow),
            ],
            ..Page::default()
        };
        assert_eq!(
            page.markdown(),
            "## Reuse\nTins come back.\n- first\n2. second\n- third\n| A | B |\n| --- | --- |\n| 1 | 2 |\n\nEnd\n"
        );
    }
}
