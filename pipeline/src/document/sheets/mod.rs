//! Reads sheets: Excel workbooks, and tables as plain text. A sheet is a page, and a row is a line.

mod cell;
mod cell_styles;
mod csv;
mod drawing;
mod extras;
pub(super) mod grid;
mod shared_strings;
mod sheet;
mod workbook;

pub(super) use self::csv::{extract_csv, is_csv};
pub(super) use self::workbook::extract_workbook;
