//! Paragraphs, items and rows of an RTF document, as they end.

use crate::document::content::{HiddenReason, HiddenText};
use crate::document::sections::{Sections, row};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Block,
    Item,
    Row,
}

/// The text of the document as far as it has ended.
#[derive(Debug, Default)]
pub(super) struct Paragraphs {
    pub(super) sections: Sections,
    pub(super) text: String,
    pub(super) mark: String,
    /// The note that is open, and those of this section.
    pub(super) note: String,
    notes: Vec<String>,
    cells: Vec<String>,
    last: Last,
    pub(super) first_heading: Option<String>,
    pub(super) hidden: Vec<HiddenText>,
}

impl Paragraphs {
    /// Ends a paragraph.
    pub(super) fn end(&mut self, level: Option<u8>, in_table: bool) {
        if in_table {
            // Paragraphs in a cell stay in its line.
            self.text.push(' ');
            return;
        }
        let text = std::mem::take(&mut self.text);
        let mark = std::mem::take(&mut self.mark);
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.flush_row();
        if let Some(level) = level {
            if level <= 2 {
                self.divide();
            }
            // The number of a heading stands before it.
            let numbered = format!("{} {text}", mark.trim());
            let heading = if mark.trim().chars().any(char::is_alphanumeric) { numbered.trim() } else { text };
            self.first_heading.get_or_insert_with(|| heading.to_owned());
            self.sections.heading(level, heading);
            self.last = Last::Block;
        } else if mark.trim().is_empty() {
            self.sections.block(text);
            self.last = Last::Block;
        } else {
            self.sections.item(&format!("{} {text}", shown_mark(mark.trim())), self.last == Last::Item);
            self.last = Last::Item;
        }
    }

    pub(super) fn end_cell(&mut self) {
        let cell = std::mem::take(&mut self.text);
        let mark = std::mem::take(&mut self.mark);
        let cell = if mark.trim().is_empty() { cell } else { format!("{} {cell}", shown_mark(mark.trim())) };
        self.cells.push(cell);
    }

    pub(super) fn end_row(&mut self) {
        if !self.text.trim().is_empty() {
            self.end_cell();
        }
        self.text.clear();
        self.flush_row();
    }

    fn flush_row(&mut self) {
        let mut cells = std::mem::take(&mut self.cells);
        while cells.last().is_some_and(|cell| cell.trim().is_empty()) {
            cells.pop();
        }
        let line = row(&cells);
        if !line.is_empty() {
            self.sections.table_row(&line, self.last == Last::Row);
            self.last = Last::Row;
        }
    }

    pub(super) fn end_note(&mut self) {
        let note = std::mem::take(&mut self.note);
        if !note.trim().is_empty() {
            self.notes.push(note.trim().to_owned());
        }
    }

    /// Ends the section. Its notes stand at its end.
    pub(super) fn divide(&mut self) {
        for note in std::mem::take(&mut self.notes) {
            self.sections.block(&note);
        }
        self.sections.divide();
        self.last = Last::Block;
    }

    pub(super) fn hide(&mut self, text: &str) {
        /// A document that hides more repeats itself.
        const HIDDEN_MAX: usize = 1_000;
        let page = self.sections.page_number();
        let is_full = self.hidden.len() >= HIDDEN_MAX;
        match self.hidden.last_mut() {
            Some(last) if last.page == page => last.text.push_str(text),
            _ if is_full => {}
            _ => self.hidden.push(HiddenText { page, reason: HiddenReason::Marked, text: text.to_owned() }),
        }
    }
}

/// A bullet of a symbol font has no letter.
fn shown_mark(mark: &str) -> &str {
    if mark.chars().any(char::is_alphanumeric) && !matches!(mark, "o" | "§" | "ü" | "q" | "v") {
        mark
    } else {
        "\u{2022}"
    }
}
