//! The text of a page: its blocks, headings, list items and rows.

use super::element::{heading, is_block};
use super::flow::{flow, raise};
use super::formula::sign;
use super::hidden::HiddenTexts;
use super::list::List;
use super::page::Page;
use super::picture::description;
use super::spans::Spans;
use super::table::Tables;
use super::visible::Sight;
use crate::document::sections::{Sections, row};

/// The kind of the last written text. Items and rows follow each other without an empty line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Block,
    Item,
    Row,
}

/// The text of a page as far as it is written.
#[derive(Debug)]
pub(super) struct Writer<'p> {
    page: &'p Page,
    tables: Tables,
    pub(super) sections: Sections,
    block: String,
    open: Vec<usize>,
    lists: Vec<List>,
    /// The bullet or number of an item whose text has not begun.
    mark: Option<String>,
    heading: Option<u8>,
    preformatted: usize,
    /// For each open table that holds data, its columns.
    open_tables: Vec<Option<Spans>>,
    cells: Option<Vec<String>>,
    last: Last,
    /// Where an open superscript begins in the block.
    superscript: Option<usize>,
    pub(super) words: usize,
    pub(super) first_heading: Option<String>,
    pub(super) main_heading: Option<String>,
    pub(super) pictures: usize,
    pub(super) frames: usize,
    pub(super) hidden: HiddenTexts,
}

impl<'p> Writer<'p> {
    pub(super) fn new(page: &'p Page) -> Self {
        Self {
            page,
            tables: Tables::of(page),
            sections: Sections::default(),
            block: String::new(),
            open: Vec::new(),
            lists: Vec::new(),
            mark: None,
            heading: None,
            preformatted: 0,
            open_tables: Vec::new(),
            cells: None,
            last: Last::Block,
            superscript: None,
            words: 0,
            first_heading: None,
            main_heading: None,
            pictures: 0,
            frames: 0,
            hidden: HiddenTexts::default(),
        }
    }

    /// Writes all nodes that a reader sees and that are not out of the text.
    pub(super) fn write(&mut self, sights: &[Sight], is_out: &[bool]) {
        let mut index = 1;
        while index < self.page.len() {
            self.close_until(index);
            let sight = sights.get(index).copied().unwrap_or_default();
            let text = self.page.text(index);
            match (sight, text) {
                (Sight::Apart, _) => {
                    index = self.page.end(index);
                    continue;
                }
                (Sight::Hidden(reason), Some(text)) => {
                    self.hidden.add(self.page, index, self.sections.page_number(), reason, text);
                }
                // Hidden text counts wherever it stands.
                (Sight::Hidden(_), None) => self.hidden.start(self.page, index),
                _ if is_out.get(index) == Some(&true) => {}
                (Sight::Shown, Some(text)) => self.text(text),
                (Sight::Shown, None) => {
                    self.start(index);
                    self.open.push(index);
                }
            }
            index += 1;
        }
        self.close_until(usize::MAX);
        self.end_row();
    }

    fn close_until(&mut self, index: usize) {
        while let Some(open) = self.open.last().copied().filter(|open| self.page.end(*open) <= index) {
            self.open.pop();
            self.end(open);
        }
    }

    fn start(&mut self, index: usize) {
        let name = self.page.name(index);
        match name {
            "br" if self.cells.is_some() || self.heading.is_some() => self.block.push(' '),
            "br" => self.block.push('\n'),
            "img" => self.picture(index),
            "li" => {
                self.end_block();
                let mark = self
                    .lists
                    .last_mut()
                    .map_or_else(|| "\u{2022} ".to_owned(), |list| list.mark(self.page, index));
                if self.cells.is_some() { self.block.push_str(&mark) } else { self.mark = Some(mark) }
            }
            "ol" | "ul" | "menu" | "dir" => {
                self.end_block();
                if self.lists.is_empty() && self.cells.is_none() {
                    self.last = Last::Block;
                }
                self.lists.push(List::new(self.page, index));
            }
            "table" => self.start_table(index),
            "tr" if self.is_in_data() => {
                self.end_row();
                self.cells = Some(Vec::new());
            }
            "td" | "th" if self.is_in_data() => {}
            "caption" => self.end_row(),
            "pre" | "listing" | "xmp" => {
                self.end_block();
                self.preformatted += 1;
            }
            "iframe" => {
                self.end_block();
                let has_own = self.page.attribute(index, "srcdoc").is_some();
                self.frames += usize::from(!has_own && self.page.attribute(index, "src").is_some());
            }
            "q" => self.block.push('\u{201c}'),
            "sup" => self.superscript = Some(self.block.len()),
            "text" if !self.page.name(self.page.parent(index)).is_empty() => self.block.push(' '),
            _ if heading(name).is_some() => self.start_heading(heading(name)),
            _ if is_block(name) => self.end_block(),
            _ => self.block.extend(sign(self.page, index)),
        }
    }

    fn end(&mut self, index: usize) {
        let name = self.page.name(index);
        match name {
            "li" => {
                self.end_block();
                self.mark = None;
            }
            "ol" | "ul" | "menu" | "dir" => {
                self.end_block();
                self.lists.pop();
            }
            "table" => self.end_table(),
            "tr" if self.is_in_data() => self.end_row(),
            "td" | "th" if self.is_in_data() => self.end_cell(index),
            "pre" | "listing" | "xmp" => {
                self.end_block();
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            "q" => self.block.push('\u{201d}'),
            "sup" => raise(&mut self.block, self.superscript.take()),
            "text" => self.block.push(' '),
            _ if heading(name).is_some() => {
                self.end_block();
                self.heading = None;
            }
            _ if is_block(name) => self.end_block(),
            _ => {}
        }
    }

    fn start_heading(&mut self, level: Option<u8>) {
        self.end_block();
        if self.cells.is_some() {
            return;
        }
        self.heading = level;
        if level.is_some_and(|level| level <= 2) {
            self.sections.divide();
        }
    }

    fn picture(&mut self, index: usize) {
        self.pictures += 1;
        let Some((description, in_figure)) = description(self.page, &self.open, index) else { return };
        let is_alone = in_figure && self.cells.is_none();
        if is_alone {
            self.end_block();
        }
        self.text(&format!(" {description} "));
        if is_alone {
            self.end_block();
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.preformatted > 0 && self.cells.is_none() {
            self.block.push_str(text);
            return;
        }
        flow(&mut self.block, text);
    }

    fn end_block(&mut self) {
        if self.cells.is_some() {
            // Paragraphs in a cell stay in its line.
            if !self.block.is_empty() && !self.block.ends_with(' ') {
                self.block.push(' ');
            }
            return;
        }
        self.superscript = None;
        let block = std::mem::take(&mut self.block);
        let block = if self.preformatted > 0 { block.trim_matches('\n') } else { block.trim() };
        if block.trim().is_empty() {
            return;
        }
        self.words += 1;
        if let Some(level) = self.heading {
            self.mark = None;
            self.first_heading.get_or_insert_with(|| block.to_owned());
            if level == 1 {
                self.main_heading.get_or_insert_with(|| block.to_owned());
            }
            self.sections.heading(level, block);
            self.last = Last::Block;
        } else if let Some(mark) = self.mark.take() {
            self.sections.item(&format!("{mark}{block}"), self.last == Last::Item);
            self.last = Last::Item;
        } else {
            self.sections.block(block);
            self.last = if self.lists.is_empty() { Last::Block } else { Last::Item };
        }
    }

    fn is_in_data(&self) -> bool {
        matches!(self.open_tables.last(), Some(Some(_)))
    }

    fn start_table(&mut self, index: usize) {
        let is_nested = self.cells.is_some();
        self.end_block();
        if !is_nested {
            self.last = Last::Block;
        }
        // A table in a cell stays in the line of its row.
        self.open_tables.push((!is_nested && self.tables.holds_data(index)).then(Spans::default));
    }

    fn end_table(&mut self) {
        if self.is_in_data() {
            self.end_row();
            self.open_tables.pop();
            self.last = Last::Block;
        } else {
            self.open_tables.pop();
            self.end_block();
        }
    }

    fn end_cell(&mut self, cell: usize) {
        if let (Some(row), Some(Some(spans))) = (&mut self.cells, self.open_tables.last_mut()) {
            spans.push(self.page, cell, std::mem::take(&mut self.block), row);
        }
    }

    fn end_row(&mut self) {
        if !self.block.trim().is_empty() {
            self.end_cell(0);
        }
        let Some(mut cells) = self.cells.take() else {
            return self.end_block();
        };
        if let Some(Some(spans)) = self.open_tables.last_mut() {
            spans.end_row();
        }
        self.block.clear();
        while cells.last().is_some_and(|cell| cell.trim().is_empty()) {
            cells.pop();
        }
        let line = row(&cells);
        if line.is_empty() {
            return;
        }
        self.words += 1;
        self.sections.table_row(&line, self.last == Last::Row);
        self.last = Last::Row;
    }
}
