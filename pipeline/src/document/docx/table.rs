//! A table that is being read.

use super::run::is_shaded;
use crate::document::{sections::row, xml::Element};

/// A table that is being read. Its state is that of the current row and cell.
#[derive(Debug, Default)]
pub(super) struct Table {
    cells: Vec<String>,
    pub(super) rows: usize,
    is_deleted_row: bool,
    pub(super) is_hidden_row: bool,
    has_ground: bool,
    has_row_ground: bool,
    has_cell_ground: bool,
    in_cell: bool,
    /// The cell goes on with the one above it, which shows the text of both.
    is_covered: bool,
}

impl Table {
    pub(super) fn start(&mut self, element: &Element<'_>) {
        match element.name {
            "tr" => {
                self.cells.clear();
                self.is_deleted_row = false;
                self.is_hidden_row = false;
                self.has_row_ground = false;
            }
            "tc" => {
                self.cells.push(String::new());
                self.has_cell_ground = false;
                self.in_cell = true;
                self.is_covered = false;
            }
            // The style of a table may colour any of its cells.
            "tblStyle" => {
                let style = element.attribute("val").unwrap_or_default();
                self.has_ground |= !matches!(style.as_str(), "TableGrid" | "TableNormal");
            }
            "shd" if !self.in_cell => self.has_row_ground |= is_shaded(element),
            "shd" => self.has_cell_ground |= is_shaded(element),
            // A cell that goes on with the one to its left shows nothing of its own.
            "hMerge" if self.in_cell && element.attribute("val").is_none_or(|it| it == "continue") => {
                self.cells.pop();
                self.in_cell = false;
            }
            "vMerge" if self.in_cell => {
                self.is_covered = element.attribute("val").is_none_or(|it| it == "continue");
            }
            _ => {}
        }
    }

    pub(super) fn end_cell(&mut self) {
        if let Some(cell) = self.cells.last_mut().filter(|_| self.is_covered && self.in_cell) {
            cell.clear();
        }
        self.is_covered = false;
        self.in_cell = false;
    }

    pub(super) const fn delete_row(&mut self) {
        self.is_deleted_row = true;
    }

    /// Whether a colour may lie under its text.
    pub(super) const fn has_ground(&self) -> bool {
        self.has_ground || self.has_row_ground || self.has_cell_ground
    }

    /// The text of the current cell, if one is open.
    pub(super) fn cell(&mut self) -> Option<&mut String> {
        self.cells.last_mut()
    }

    /// The line of the row that ends; empty for one that shows nothing.
    pub(super) fn end_row(&mut self) -> String {
        let cells = std::mem::take(&mut self.cells);
        if self.is_deleted_row { String::new() } else { row(&cells) }
    }
}
