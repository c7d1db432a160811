//! The cells of a sheet, and the page that they make.

use std::collections::HashSet;

use crate::document::{
    content::{HiddenReason, LineMark, LineRole},
    error::DocumentError,
    limits::TEXT_BYTES_MAX,
    office::hidden::HiddenTexts,
    raw::RawPage,
    sections::row,
};

/// The filled cells of one sheet: 100,000 rows of 20 columns.
const CELLS_MAX: usize = 2_000_000;
/// The rows of merged areas that are looked at. Real sheets merge hundreds of cells.
const MERGED_ROWS_MAX: usize = 2_000_000;

/// A cell that shows something. Rows and columns count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::document) struct Cell {
    pub(in crate::document) row: u32,
    pub(in crate::document) column: u32,
    pub(in crate::document) text: String,
    /// Why a reader does not see it, if so.
    pub(in crate::document) hidden: Option<HiddenReason>,
}

/// An area of cells, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::document) struct Area {
    pub(in crate::document) rows: (u32, u32),
    pub(in crate::document) columns: (u32, u32),
}

/// The cells of a sheet. Empty cells cost nothing.
#[derive(Debug, Default)]
pub(in crate::document) struct Grid {
    cells: Vec<Cell>,
    bytes: usize,
    pub(in crate::document) hidden_rows: HashSet<u32>,
    /// Ranges of hidden columns, both ends included.
    pub(in crate::document) hidden_columns: Vec<(u32, u32)>,
    pub(in crate::document) merged: Vec<Area>,
}

impl Grid {
    /// Adds a cell that shows something.
    pub(in crate::document) fn add(&mut self, cell: Cell) -> Result<(), DocumentError> {
        if cell.text.trim().is_empty() {
            return Ok(());
        }
        self.bytes += cell.text.len();
        if self.cells.len() >= CELLS_MAX {
            return Err(DocumentError::TooLarge(format!("a sheet of more than {CELLS_MAX} filled cells")));
        }
        if self.bytes > TEXT_BYTES_MAX {
            return Err(DocumentError::TooLarge(format!("more than {TEXT_BYTES_MAX} bytes of text")));
        }
        self.cells.push(cell);
        Ok(())
    }

    /// The sheet as a page. Cells that a reader does not see are set apart.
    pub(in crate::document) fn page(
        mut self,
        label: &str,
        number: u32,
        hidden: &mut HiddenTexts,
    ) -> Result<RawPage, DocumentError> {
        self.cells.sort_by_key(|cell| (cell.row, cell.column));
        self.drop_covered();
        self.hidden_columns.sort_unstable();
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        for cell in std::mem::take(&mut self.cells) {
            let reason = cell.hidden.or_else(|| self.is_hidden(&cell).then_some(HiddenReason::Marked));
            match reason {
                Some(reason) => unseen.push((reason, cell)),
                None => seen.push(cell),
            }
        }
        for row in unseen.chunk_by(|(a, one), (b, other)| one.row == other.row && a == b) {
            let cells: Vec<&str> = row.iter().map(|(_, cell)| cell.text.as_str()).collect();
            let reason = row.first().map_or(HiddenReason::Marked, |(reason, _)| *reason);
            hidden.add(number, reason, &cells.join(" | "));
        }
        let mut page = written(&seen)?;
        page.label = Some(label.to_owned());
        Ok(page)
    }

    fn is_hidden(&self, cell: &Cell) -> bool {
        if self.hidden_rows.contains(&cell.row) {
            return true;
        }
        let after = self.hidden_columns.partition_point(|(first, _)| *first <= cell.column);
        // Ranges of columns do not overlap in sound files, so the last one that begins before decides.
        let last = after.checked_sub(1).and_then(|at| self.hidden_columns.get(at));
        last.is_some_and(|(_, end)| cell.column <= *end)
    }

    /// Drops cells below a merged area: only its first cell is shown.
    fn drop_covered(&mut self) {
        let mut covered = vec![false; self.cells.len()];
        let mut rows_left = MERGED_ROWS_MAX;
        for area in &self.merged {
            let mut at =
                self.cells.partition_point(|cell| (cell.row, cell.column) < (area.rows.0, area.columns.0));
            while let Some(cell) = self.cells.get(at).filter(|cell| cell.row <= area.rows.1) {
                rows_left = rows_left.saturating_sub(1);
                if rows_left == 0 {
                    break;
                }
                if cell.column > area.columns.1 {
                    let next = (cell.row + 1, area.columns.0);
                    at = self.cells.partition_point(|cell| (cell.row, cell.column) < next);
                } else if cell.column < area.columns.0 {
                    let next = (cell.row, area.columns.0);
                    at = self.cells.partition_point(|cell| (cell.row, cell.column) < next);
                } else {
                    let is_first = (cell.row, cell.column) == (area.rows.0, area.columns.0);
                    if let Some(slot) = covered.get_mut(at) {
                        *slot |= !is_first;
                    }
                    at += 1;
                }
            }
        }
        let mut flags = covered.into_iter();
        self.cells.retain(|_| !flags.next().unwrap_or_default());
    }
}

/// The rows as lines. Columns that are empty in the whole sheet are left out; an empty row ends a table.
fn written(cells: &[Cell]) -> Result<RawPage, DocumentError> {
    let columns: Vec<u32> = {
        let set: std::collections::BTreeSet<u32> = cells.iter().map(|cell| cell.column).collect();
        set.into_iter().collect()
    };
    let mut page = RawPage::new(String::new());
    let (mut last_row, mut line_number) = (None, 0);
    for cells in cells.chunk_by(|one, other| one.row == other.row) {
        let mut texts: Vec<String> = Vec::new();
        for cell in cells {
            let place = columns.partition_point(|column| *column < cell.column);
            texts.resize(texts.len().max(place), String::new());
            texts.push(cell.text.clone());
        }
        let line = row(&texts);
        let number = cells.first().map(|cell| cell.row);
        if let Some(last) = last_row {
            let follows = number == Some(last + 1);
            page.text.push_str(if follows { "\n" } else { "\n\n" });
            line_number += if follows { 1 } else { 2 };
        }
        page.marks.push(LineMark { line: line_number, role: LineRole::TableRow, area: None });
        page.text.push_str(line.trim());
        if page.text.len() > TEXT_BYTES_MAX {
            return Err(DocumentError::TooLarge(format!("more than {TEXT_BYTES_MAX} bytes of text")));
        }
        last_row = number;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(cells: &[(u32, u32, &str)]) -> Grid {
        let mut grid = Grid::default();
        for (row, column, text) in cells {
            grid.add(Cell { row: *row, column: *column, text: (*text).to_owned(), hidden: None }).unwrap();
        }
        grid
    }

    #[test]
    fn rows_become_lines_without_empty_columns() {
        let grid = grid(&[(0, 0, "City"), (0, 9_000, "Share"), (1, 9_000, "42%"), (3, 0, "Note")]);
        let page = grid.page("Sheet", 1, &mut HiddenTexts::default()).unwrap();
        assert_eq!(page.text, "City | Share\n| 42%\n\nNote");
        assert_eq!(page.marks.iter().map(|mark| mark.line).collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(page.label.as_deref(), Some("Sheet"));
    }

    #[test]
    fn hidden_and_covered_cells_are_left_out() {
        let mut grid = grid(&[
            (0, 0, "a"),
            (0, 1, "covered"),
            (1, 0, "secret"),
            (1, 3, "too"),
            (2, 3, "column"),
            (2, 0, "b"),
        ]);
        grid.merged.push(Area { rows: (0, 0), columns: (0, 2) });
        grid.hidden_rows.insert(1);
        grid.hidden_columns.push((3, 16_383));
        let mut hidden = HiddenTexts::default();
        assert_eq!(grid.page("Sheet", 1, &mut hidden).unwrap().text, "a\n\nb");
        let (passages, _) = hidden.finish(1);
        assert_eq!(
            passages.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(),
            ["secret | too", "column"]
        );
    }
}
