//! Ends paragraphs and sections of an OpenDocument text: their marks, their roles, their notes.

use super::lists::{Label, ListStyle};
use super::paragraph::Paragraph;
use super::reading::Reading;
use crate::document::content::HiddenReason;

impl Reading<'_> {
    /// The mark of a paragraph: the next number of its list, or of the headings.
    fn label(&mut self, paragraph: &Paragraph) -> Label {
        if let Some(level) = paragraph.level {
            if paragraph.is_unnumbered {
                return Label::None;
            }
            let level = usize::from(level.saturating_sub(1));
            return self.outline.next(&self.styles.outline, level, paragraph.start);
        }
        let depth = self.lists.len().saturating_sub(1);
        let Some(list) = self.lists.last_mut().filter(|list| list.is_new_item) else { return Label::None };
        list.is_new_item = false;
        let start = list.start.take();
        let mut name = list.style.clone();
        if name.is_empty() {
            name = self.styles.list_of_paragraph(&paragraph.style).unwrap_or_default().to_owned();
        }
        let unknown = ListStyle::default();
        let style = self.styles.list(&name);
        let label = self.counters.entry(name).or_default().next(style.unwrap_or(&unknown), depth, start);
        // A list without a style has bullets.
        if style.is_none() { Label::Bullet } else { label }
    }

    pub(super) fn end_paragraph(&mut self) {
        let Some(mut paragraph) = self.paragraphs.pop() else { return };
        if paragraph.is_hidden || self.hidden_sections.contains(&true) {
            let text = std::mem::take(&mut paragraph.text);
            paragraph.hide(HiddenReason::Marked, &text);
        }
        let page = self.sections.page_number();
        for (reason, text) in std::mem::take(&mut paragraph.hidden) {
            self.hidden.add(page, reason, &text);
        }
        let text = paragraph.text.trim();
        if let Some(note) = self.note.as_mut().filter(|_| self.paragraphs.len() >= self.note_depth) {
            note.push(' ');
            note.push_str(text);
            return;
        }
        // An item without text counts all the same.
        let is_item = self.lists.last().is_some_and(|list| list.is_new_item) && paragraph.level.is_none();
        let label = if is_item || !text.is_empty() { self.label(&paragraph) } else { Label::None };
        if text.is_empty() {
            return;
        }
        let marked = match (&label, paragraph.level) {
            (Label::Number(number), _) => format!("{number} {text}"),
            (Label::Bullet, None) => format!("\u{2022} {text}"),
            _ => text.to_owned(),
        };
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cells.last_mut()) {
            cell.push(' ');
            cell.push_str(&marked);
            return;
        }
        match paragraph.level {
            Some(level) => {
                if level == 1 && self.divides {
                    self.divide_before(paragraph.notes_before);
                }
                self.heading.get_or_insert_with(|| text.to_owned());
                self.sections.heading(level, &marked);
            }
            None if label == Label::None => {
                if self.title.is_none() && self.styles.is_title(&paragraph.style) {
                    self.title = Some(text.to_owned());
                }
                self.sections.block(&marked);
            }
            None => self.sections.item(&marked, self.after_list_item),
        }
        self.after_list_item = paragraph.level.is_none() && label != Label::None;
    }

    /// Ends the section, and puts its notes at its end.
    pub(super) fn divide(&mut self) {
        self.divide_before(self.notes.len());
    }

    /// Ends the section with the notes before this one. The others belong to the heading that follows.
    fn divide_before(&mut self, note: usize) {
        let later = self.notes.split_off(note.min(self.notes.len()));
        for note in std::mem::replace(&mut self.notes, later) {
            self.sections.block(&note.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        self.sections.divide();
        self.after_list_item = false;
    }
}
