//! The text of an HTML page as far as it has been read.

use std::collections::HashMap;

use html5ever::tokenizer::{Tag, TagKind};

use super::element::{Kind, kind};
use crate::document::sections::{Sections, row};

/// The part of a page that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Everything,
    Main,
}

/// The kind of the last written text. List items and table rows follow each other without an empty line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Block,
    Item,
    Row,
}

/// The text as far as it has been read.
#[derive(Debug)]
pub(super) struct Reading {
    scope: Scope,
    pub(super) sections: Sections,
    block: String,
    /// The number of open elements that hide their content, by name.
    hidden: HashMap<String, usize>,
    main_depth: usize,
    pub(super) has_main: bool,
    pub(super) words: usize,
    in_title: bool,
    in_heading: bool,
    preformatted: usize,
    item: bool,
    last: Last,
    cells: Option<Vec<String>>,
    declared_title: String,
    first_heading: Option<String>,
}

impl Reading {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            sections: Sections::default(),
            block: String::new(),
            hidden: HashMap::new(),
            main_depth: 0,
            has_main: false,
            words: 0,
            in_title: false,
            in_heading: false,
            preformatted: 0,
            item: false,
            last: Last::Block,
            cells: None,
            declared_title: String::new(),
            first_heading: None,
        }
    }

    /// The title of the text: its first heading, else the page's title, which often names the site as well.
    pub(super) fn title(&self) -> Option<String> {
        let declared = Some(self.declared_title.clone()).filter(|title| !title.trim().is_empty());
        self.first_heading.clone().or(declared)
    }

    pub(super) fn tag(&mut self, tag: &Tag) {
        let name: &str = tag.name.as_ref();
        let opens = tag.kind == TagKind::StartTag && !tag.self_closing;
        match kind(name) {
            Kind::Hidden => self.hide(name, tag.kind, opens),
            Kind::Surrounding if self.scope == Scope::Main && name != "header" => {
                self.hide(name, tag.kind, opens);
            }
            Kind::Surrounding => self.end_block(),
            _ if !self.hidden.is_empty() => {}
            Kind::Main => self.main(opens, tag.kind),
            Kind::Title => self.in_title = opens,
            Kind::Heading(level) => self.heading(level, tag.kind),
            Kind::Block => self.end_block(),
            Kind::Item => {
                self.end_block();
                self.item = opens;
            }
            Kind::Table => {
                self.end_row();
                if name == "table" {
                    self.last = Last::Block;
                }
            }
            Kind::Row => {
                self.end_row();
                self.cells = opens.then(Vec::new);
            }
            Kind::Cell => self.end_cell(),
            Kind::Preformatted => {
                self.end_block();
                self.preformatted =
                    if opens { self.preformatted + 1 } else { self.preformatted.saturating_sub(1) };
            }
            Kind::LineBreak => self.block.push('\n'),
            Kind::Inline => {}
        }
    }

    fn hide(&mut self, name: &str, tag: TagKind, opens: bool) {
        if opens {
            if self.hidden.is_empty() {
                self.end_block();
            }
            *self.hidden.entry(name.to_owned()).or_default() += 1;
        } else if tag == TagKind::EndTag
            && let Some(open) = self.hidden.get_mut(name)
        {
            *open -= 1;
            if *open == 0 {
                self.hidden.remove(name);
            }
        }
    }

    fn main(&mut self, opens: bool, tag: TagKind) {
        self.end_block();
        if opens {
            self.has_main = true;
            self.main_depth += 1;
        } else if tag == TagKind::EndTag {
            self.main_depth = self.main_depth.saturating_sub(1);
        }
    }

    fn heading(&mut self, level: u8, tag: TagKind) {
        self.end_block();
        self.in_heading = tag == TagKind::StartTag;
        if self.in_heading && level <= 2 && self.is_taken() && self.cells.is_none() {
            self.sections.divide();
        }
    }

    fn is_taken(&self) -> bool {
        self.hidden.is_empty() && (self.scope == Scope::Everything || self.main_depth > 0)
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.in_title {
            self.declared_title.push_str(text);
            return;
        }
        if !self.is_taken() {
            return;
        }
        if self.preformatted > 0 {
            self.block.push_str(text);
            return;
        }
        for c in text.chars() {
            if !c.is_whitespace() {
                self.block.push(c);
            } else if !self.block.is_empty() && !self.block.ends_with([' ', '\n']) {
                self.block.push(' ');
            }
        }
    }

    fn end_block(&mut self) {
        if self.cells.is_some() {
            // Paragraphs in a cell stay in its line.
            if !self.block.is_empty() && !self.block.ends_with(' ') {
                self.block.push(' ');
            }
            return;
        }
        let block = std::mem::take(&mut self.block);
        if block.trim().is_empty() {
            return;
        }
        self.words += 1;
        if self.in_heading {
            self.first_heading.get_or_insert_with(|| block.trim().to_owned());
        }
        let item = std::mem::take(&mut self.item);
        let text = if item { format!("\u{2022} {}", block.trim()) } else { block };
        if item && self.last == Last::Item {
            self.sections.line(&text);
        } else {
            self.sections.block(&text);
        }
        self.last = if item { Last::Item } else { Last::Block };
    }

    /// Ends a cell: the text since the last mark of a cell belongs to it, if it stands in a row.
    fn end_cell(&mut self) {
        if let Some(cells) = &mut self.cells {
            let cell = std::mem::take(&mut self.block);
            if !cell.trim().is_empty() {
                cells.push(cell);
            }
        }
    }

    pub(super) fn end_row(&mut self) {
        self.end_cell();
        let Some(cells) = self.cells.take() else {
            return self.end_block();
        };
        let line = row(&cells);
        if line.is_empty() {
            return;
        }
        self.words += 1;
        self.sections.table_row(&line, self.last == Last::Row);
        self.last = Last::Row;
    }
}
