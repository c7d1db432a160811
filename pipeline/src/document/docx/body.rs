//! The main text of a DOCX as it is read.

use std::collections::{HashMap, HashSet};

use super::styles::{Role, outline_level};
use crate::document::{
    sections::{Sections, row},
    xml::{Element, Xml},
};

/// A paragraph that is being read. A text box puts paragraphs into a paragraph.
#[derive(Debug, Default)]
struct Paragraph {
    text: String,
    role: Option<Role>,
    in_list: bool,
}

/// A table that is being read.
#[derive(Debug, Default)]
struct Table {
    cells: Vec<String>,
    rows: usize,
}

/// The main text as it is read.
pub(super) struct Body<'d> {
    styles: &'d HashMap<String, Role>,
    notes: &'d HashMap<String, String>,
    pub(super) sections: Sections,
    paragraphs: Vec<Paragraph>,
    tables: Vec<Table>,
    /// The notes that the current section refers to, in order.
    section_notes: Vec<String>,
    seen_notes: HashSet<String>,
    in_text: bool,
    /// The depth within second versions of drawings whose first version was read.
    fallback_depth: usize,
    after_list_item: bool,
    pub(super) title: Option<String>,
    pub(super) heading: Option<String>,
}

impl<'d> Body<'d> {
    pub(super) fn new(styles: &'d HashMap<String, Role>, notes: &'d HashMap<String, String>) -> Self {
        Self {
            styles,
            notes,
            sections: Sections::default(),
            paragraphs: Vec::new(),
            tables: Vec::new(),
            section_notes: Vec::new(),
            seen_notes: HashSet::new(),
            in_text: false,
            fallback_depth: 0,
            after_list_item: false,
            title: None,
            heading: None,
        }
    }

    pub(super) fn on(&mut self, event: &Xml<'_>) {
        match event {
            Xml::Start(element) if element.name == "Fallback" => self.fallback_depth += 1,
            Xml::End("Fallback") => self.fallback_depth = self.fallback_depth.saturating_sub(1),
            _ if self.fallback_depth > 0 => {}
            Xml::Start(element) => self.start(element),
            Xml::End(name) => self.end(name),
            Xml::Text(text) => {
                if self.in_text {
                    self.push(text);
                }
            }
        }
    }

    fn start(&mut self, element: &Element<'_>) {
        match element.name {
            "p" => self.paragraphs.push(Paragraph::default()),
            "t" => self.in_text = true,
            "tab" => self.push(" "),
            "noBreakHyphen" => self.push("\u{2011}"),
            "br" if element.attribute("type").as_deref() == Some("page") => self.page_break(),
            "br" | "cr" => self.push("\n"),
            "pageBreakBefore"
                if element.attribute("val").is_none_or(|value| value != "0" && value != "false") =>
            {
                self.divide();
            }
            "pStyle" => {
                let role = element.attribute("val").and_then(|id| self.styles.get(&id).copied());
                self.with_paragraph(|paragraph| paragraph.role = role);
            }
            "outlineLvl" => {
                if let Some(level) = outline_level(element) {
                    self.with_paragraph(|paragraph| paragraph.role = Some(Role::Heading(level)));
                }
            }
            "numPr" => self.with_paragraph(|paragraph| paragraph.in_list = true),
            "footnoteReference" => self.note(element, "footnote"),
            "endnoteReference" => self.note(element, "endnote"),
            "tbl" => self.tables.push(Table::default()),
            "tr" => self.with_table(|table| table.cells.clear()),
            "tc" => self.with_table(|table| table.cells.push(String::new())),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "t" => self.in_text = false,
            "p" => {
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.finish(&paragraph);
                }
            }
            "tr" => self.finish_row(),
            "tbl" => {
                self.tables.pop();
            }
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        self.with_paragraph(|paragraph| paragraph.text.push_str(text));
    }

    fn with_paragraph(&mut self, change: impl FnOnce(&mut Paragraph)) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            change(paragraph);
        }
    }

    fn with_table(&mut self, change: impl FnOnce(&mut Table)) {
        if let Some(table) = self.tables.last_mut() {
            change(table);
        }
    }

    fn finish(&mut self, paragraph: &Paragraph) {
        if let Some(cell) = self.tables.last_mut().and_then(|table| table.cells.last_mut()) {
            cell.push(' ');
            cell.push_str(&paragraph.text);
            return;
        }
        let text = paragraph.text.trim();
        if text.is_empty() {
            return;
        }
        match paragraph.role {
            Some(Role::Title) if self.title.is_none() => self.title = Some(text.to_owned()),
            Some(Role::Heading(level)) => {
                if level == 1 {
                    self.divide();
                }
                self.heading.get_or_insert_with(|| text.to_owned());
            }
            _ => {}
        }
        let item = matches!((paragraph.role, paragraph.in_list), (Some(Role::ListItem), _) | (None, true));
        match paragraph.role {
            _ if item => self.sections.item(&format!("\u{2022} {text}"), self.after_list_item),
            Some(Role::Heading(level)) => self.sections.heading(level, text),
            _ => self.sections.block(text),
        }
        self.after_list_item = item;
    }

    /// A row of the outermost table becomes a line. A row of a table in a cell becomes text of that cell.
    fn finish_row(&mut self) {
        let Some(mut table) = self.tables.pop() else {
            return;
        };
        let line = row(&table.cells);
        table.cells.clear();
        if let Some(cell) = self.tables.last_mut().and_then(|outer| outer.cells.last_mut()) {
            cell.push(' ');
            cell.push_str(&line);
        } else if !line.is_empty() {
            self.sections.table_row(&line, table.rows > 0);
            table.rows += 1;
            self.after_list_item = false;
        }
        self.tables.push(table);
    }

    fn note(&mut self, element: &Element<'_>, kind: &str) {
        if let Some(id) = element.attribute("id") {
            let key = format!("{kind} {id}");
            if self.seen_notes.insert(key.clone()) {
                self.section_notes.push(key);
            }
        }
    }

    /// Ends the page at a break. Text of the paragraph before the break belongs to the page before.
    fn page_break(&mut self) {
        if !self.tables.is_empty() {
            return;
        }
        if let Some(paragraph) = self.paragraphs.last_mut() {
            let text = std::mem::take(&mut paragraph.text);
            let before = Paragraph { text, role: paragraph.role, in_list: paragraph.in_list };
            self.finish(&before);
        }
        self.divide();
    }

    /// Ends the section, and puts its notes at its end.
    pub(super) fn divide(&mut self) {
        for key in std::mem::take(&mut self.section_notes) {
            if let Some(note) = self.notes.get(&key) {
                self.sections.block(note);
            }
        }
        self.sections.divide();
        self.after_list_item = false;
    }
}
