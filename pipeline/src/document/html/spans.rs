//! Cells that reach down into the rows below them.

use super::page::Page;

/// A cell of real tables spans fewer columns.
const COLUMNS_MAX: usize = 100;
/// The most columns of a table that cells from above may cover.
const COVERED_MAX: usize = 2_000;
/// The most covered cells of one table. Without a limit, a few cells that span everything would make a text of any size.
const CELLS_MAX: usize = 100_000;

/// A column that a cell from above covers.
#[derive(Debug, Clone, Copy, Default)]
struct Covered {
    rows: usize,
    /// Whether it is the first column of that cell. The others show nothing.
    is_first: bool,
}

/// The columns of a table, and the next column of the current row.
#[derive(Debug, Default)]
pub(super) struct Spans {
    columns: Vec<Covered>,
    at: usize,
    cells: usize,
}

impl Spans {
    /// Adds a cell to its row, after an empty one for each cell from above that covers the places before it. So the other
    /// cells of the row stay in their columns.
    pub(super) fn push(&mut self, page: &Page, cell: usize, text: String, row: &mut Vec<String>) {
        while let Some(covered) = self.cover() {
            if covered.is_first {
                row.push(String::new());
            }
        }
        row.push(text);
        let span = |name: &str| page.attribute(cell, name).and_then(|span| span.trim().parse::<usize>().ok());
        let columns = span("colspan").unwrap_or(1).clamp(1, COLUMNS_MAX);
        let rows = span("rowspan").unwrap_or(1).saturating_sub(1);
        let end = self.at + columns;
        if rows > 0 && end <= COVERED_MAX {
            if self.columns.len() < end {
                self.columns.resize(end, Covered::default());
            }
            for column in self.at..end {
                if let Some(covered) = self.columns.get_mut(column) {
                    *covered = Covered { rows, is_first: column == self.at };
                }
            }
        }
        self.at = end;
    }

    /// Ends a row. Cells from above at its end show nothing.
    pub(super) fn end_row(&mut self) {
        while self.at < self.columns.len() {
            if self.cover().is_none() {
                self.at += 1;
            }
        }
        self.at = 0;
    }

    /// Goes past the next column, if a cell from above covers it.
    fn cover(&mut self) -> Option<Covered> {
        let covered = self.columns.get_mut(self.at).filter(|covered| covered.rows > 0)?;
        covered.rows -= 1;
        self.cells += 1;
        let covered = *covered;
        self.at += 1;
        if self.cells > CELLS_MAX {
            self.columns.clear();
        }
        Some(covered)
    }
}
