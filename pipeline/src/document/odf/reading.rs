//! Reads the text of an OpenDocument file: paragraphs, headings, lists, tables, notes, frames.

use std::collections::HashMap;

use super::lists::Counter;
use super::package::folder;
use super::paragraph::{List, Look, Paragraph, Table};
use super::styles::Styles;
use crate::document::{
    content::HiddenReason,
    office::{hidden::HiddenTexts, unread::Unread},
    sections::{Sections, row},
    superscript::superscript,
    xml::{Element, Xml},
};

/// Spans, lists and the like nest a few deep.
const DEPTH_MAX: usize = 256;
/// Repeated cells and blanks. Office programs repeat empty ones only.
const REPEATS_MAX: usize = 100;

/// A text as it is read.
pub(super) struct Reading<'d> {
    pub(super) styles: &'d Styles,
    charts: &'d HashMap<String, Vec<String>>,
    pub(super) sections: Sections,
    pub(super) hidden: HiddenTexts,
    pub(super) title: Option<String>,
    pub(super) heading: Option<String>,
    pub(super) unread: Unread,
    pub(super) paragraphs: Vec<Paragraph>,
    pub(super) tables: Vec<Table>,
    pub(super) lists: Vec<List>,
    /// By the names of lists' styles.
    pub(super) counters: HashMap<String, Counter>,
    pub(super) outline: Counter,
    /// The texts of notes that the current section refers to.
    pub(super) notes: Vec<String>,
    pub(super) note: Option<String>,
    /// The depth of paragraphs at which the note began.
    pub(super) note_depth: usize,
    skipped: usize,
    /// Sections, by whether each is hidden.
    pub(super) hidden_sections: Vec<bool>,
    frame_has_object: bool,
    pub(super) after_list_item: bool,
    /// Whether a heading of the first level starts a section.
    pub(super) divides: bool,
}

impl<'d> Reading<'d> {
    pub(super) fn new(styles: &'d Styles, charts: &'d HashMap<String, Vec<String>>) -> Self {
        Self {
            styles,
            charts,
            sections: Sections::default(),
            hidden: HiddenTexts::default(),
            title: None,
            heading: None,
            unread: Unread::default(),
            paragraphs: Vec::new(),
            tables: Vec::new(),
            lists: Vec::new(),
            counters: HashMap::new(),
            outline: Counter::default(),
            notes: Vec::new(),
            note: None,
            note_depth: 0,
            skipped: 0,
            hidden_sections: Vec::new(),
            frame_has_object: false,
            after_list_item: false,
            divides: true,
        }
    }

    pub(super) fn on(&mut self, event: &Xml<'_>) {
        match event {
            Xml::Start(element) if self.skipped > 0 || self.skips(element) => self.skipped += 1,
            Xml::End(_) if self.skipped > 0 => self.skipped -= 1,
            Xml::Text(_) if self.skipped > 0 => {}
            Xml::Start(element) => self.start(element),
            Xml::End(name) => self.end(name),
            Xml::Text(text) => {
                if !self.paragraphs.is_empty() {
                    // Line ends of the file are blanks of the text.
                    self.push(&text.replace(['\n', '\t', '\r'], " "));
                }
            }
        }
    }

    /// Whether an element and all within it are no text of the document.
    fn skips(&mut self, element: &Element<'_>) -> bool {
        match element.name {
            "annotation" => {
                self.unread.comments += 1;
                true
            }
            "tracked-changes" | "ruby-text" | "note-citation" | "forms" | "desc" | "event-listeners"
            | "dde-source" | "page-number" | "automatic-styles" | "master-styles" | "styles" => true,
            "covered-table-cell" => {
                let count = element.number("number-columns-repeated").unwrap_or(1).min(REPEATS_MAX);
                self.tables.last_mut().into_iter().for_each(|table| table.cover(count));
                true
            }
            // The name of a drawing, and not the field that shows the document's title.
            "title" => element.qualified_name().starts_with("svg:"),
            _ => false,
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        let attribute = |name: &str| element.attribute(name);
        match element.name {
            "p" | "h" => self.start_paragraph(element),
            "span" => self.start_span(&attribute("style-name").unwrap_or_default()),
            "s" => self.push(&" ".repeat(element.number("c").unwrap_or(1).min(REPEATS_MAX))),
            "tab" => self.push(" "),
            "line-break" => self.push("\n"),
            "hidden-paragraph" if attribute("is-hidden").as_deref() == Some("true") => {
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.is_hidden = true;
                }
            }
            "section" => {
                let is_hidden = attribute("display").as_deref() == Some("none")
                    || attribute("is-hidden").as_deref() == Some("true");
                self.hidden_sections.push(is_hidden);
            }
            "list" => self.start_list(element),
            "list-item" => {
                if let Some(list) = self.lists.last_mut() {
                    list.is_new_item = true;
                    list.start = element.number("start-value");
                }
            }
            "table" => {
                self.tables.push(Table::default());
                self.after_list_item = false;
            }
            "table-row" => {
                if let Some(table) = self.tables.last_mut() {
                    table.cells.clear();
                    table.is_hidden_row = attribute("visibility").is_some_and(|it| it != "visible");
                }
            }
            "table-cell" => {
                if let Some(table) = self.tables.last_mut() {
                    table.cells.push(String::new());
                    table.in_cell = true;
                    table.spanned =
                        element.number("number-columns-spanned").unwrap_or(1_usize).saturating_sub(1);
                    table.repeated = element.number("number-columns-repeated").unwrap_or(1).min(REPEATS_MAX);
                }
            }
            "note-body" => {
                self.note = Some(String::new());
                self.note_depth = self.paragraphs.len();
            }
            "frame" => self.frame_has_object = false,
            "object" | "object-ole" => self.object(element),
            "image" if !self.frame_has_object => self.unread.pictures += 1,
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "p" | "h" => self.end_paragraph(),
            "span" => {
                if let Some(paragraph) = self.paragraphs.last_mut() {
                    paragraph.spans.pop();
                }
            }
            "section" => {
                self.hidden_sections.pop();
            }
            "list" => {
                self.lists.pop();
                self.after_list_item &= !self.lists.is_empty();
            }
            "table-cell" => self.end_cell(),
            "table-row" => self.end_row(),
            "table" => {
                self.tables.pop();
            }
            "note-body" => self.notes.extend(self.note.take().filter(|note| !note.trim().is_empty())),
            _ => {}
        }
    }

    fn start_paragraph(&mut self, element: &Element<'_>) {
        if self.paragraphs.len() >= DEPTH_MAX {
            return;
        }
        let style = element.attribute("style-name").unwrap_or_default();
        let is_outer = self.tables.is_empty() && self.paragraphs.is_empty() && self.note.is_none();
        if is_outer && self.divides && self.styles.breaks_page(&style) {
            self.divide();
        }
        let notes_before = self.notes.len();
        let look = Look {
            hidden: self.styles.is_hidden("paragraph", &style).unwrap_or_default(),
            tiny: self.styles.is_tiny("paragraph", &style).unwrap_or_default(),
            raised: false,
        };
        self.paragraphs.push(Paragraph {
            level: (element.name == "h").then(|| element.number("outline-level").unwrap_or(1)),
            is_unnumbered: element.attribute("is-list-header").as_deref() == Some("true"),
            start: element.number("start-value"),
            style,
            spans: vec![look],
            notes_before,
            ..Paragraph::default()
        });
    }

    fn start_span(&mut self, style: &str) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        let above = paragraph.spans.last().copied().unwrap_or_default();
        let look = Look {
            hidden: self.styles.is_hidden("text", style).unwrap_or(above.hidden),
            tiny: self.styles.is_tiny("text", style).unwrap_or(above.tiny),
            raised: self.styles.is_raised(style).unwrap_or(above.raised),
        };
        if paragraph.spans.len() < DEPTH_MAX {
            paragraph.spans.push(look);
        }
    }

    fn push(&mut self, text: &str) {
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        let look = paragraph.spans.last().copied().unwrap_or_default();
        let raised = if look.raised { superscript(text) } else { None };
        let text = raised.unwrap_or_else(|| text.chars().filter(|c| *c != '\u{ad}').collect());
        if look.hidden || look.tiny {
            paragraph.hide(if look.hidden { HiddenReason::Marked } else { HiddenReason::Tiny }, &text);
        } else {
            paragraph.text.push_str(&text);
        }
    }

    fn start_list(&mut self, element: &Element<'_>) {
        if self.lists.len() >= DEPTH_MAX {
            return;
        }
        let outer = self.lists.last().map(|list| list.style.clone());
        let style = element.attribute("style-name").or(outer).unwrap_or_default();
        let goes_on = element.attribute("continue-numbering").as_deref() == Some("true")
            || element.attribute("continue-list").is_some();
        if self.lists.is_empty() && !goes_on {
            self.counters.remove(&style);
        }
        self.lists.push(List { style, ..List::default() });
    }

    fn end_cell(&mut self) {
        let Some(table) = self.tables.last_mut() else { return };
        table.in_cell = false;
        let repeats = table.repeated.saturating_sub(1);
        if let Some(cell) = table.cells.last().filter(|cell| !cell.is_empty()).cloned() {
            table.cells.extend(std::iter::repeat_n(cell, repeats));
        }
    }

    fn end_row(&mut self) {
        let Some(mut table) = self.tables.pop() else { return };
        let line = row(&std::mem::take(&mut table.cells));
        if table.is_hidden_row {
            self.hidden.add(self.sections.page_number(), HiddenReason::Marked, &line);
        } else if let Some(cell) = self.tables.last_mut().and_then(|outer| outer.cells.last_mut()) {
            cell.push(' ');
            cell.push_str(&line);
        } else if !line.is_empty() {
            self.sections.table_row(&line, table.rows > 0);
            table.rows += 1;
        }
        self.tables.push(table);
    }

    /// A chart's lines, as a block of their own.
    fn object(&mut self, element: &Element<'_>) {
        self.frame_has_object = true;
        let link = element.attribute("href").unwrap_or_default();
        let Some(lines) = self.charts.get(&folder(&link)) else { return };
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cells.last_mut()) {
            cell.push(' ');
            cell.push_str(&lines.join(" "));
            return;
        }
        for (at, line) in lines.iter().enumerate() {
            match (line.contains(" | "), at > 0) {
                (true, follows) => self.sections.table_row(line, follows),
                (false, true) => self.sections.line(line),
                (false, false) => self.sections.block(line),
            }
        }
    }
}
