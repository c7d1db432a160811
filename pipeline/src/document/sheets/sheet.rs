//! A worksheet: its cells with the values that it shows.

use super::cell::{area, place};
use super::cell_styles::CellStyles;
use super::grid::{Cell, Grid};
use super::shared_strings::{SharedStrings, unescaped};
use crate::document::{
    content::HiddenReason,
    error::DocumentError,
    xml::{Element, Xml, walk},
};

/// Ranges of columns and merged areas of one sheet.
const RANGES_MAX: usize = 100_000;

/// The parts that all sheets of a workbook use.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) strings: SharedStrings,
    pub(super) styles: CellStyles,
}

/// A sheet that was read.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) grid: Grid,
    /// Formulas whose results were never stored.
    pub(super) empty_formulas: usize,
}

/// A cell that is being read.
#[derive(Debug, Default)]
struct Open {
    row: u32,
    column: u32,
    style: usize,
    kind: String,
    value: String,
    has_formula: bool,
}

struct Reading<'b> {
    book: &'b Book,
    sheet: Sheet,
    row: u32,
    next_row: u32,
    next_column: u32,
    open: Option<Open>,
    in_value: bool,
    in_reading: bool,
    /// A table's style or a condition may colour any cell.
    has_other_colours: bool,
    white: Vec<Cell>,
    fault: Option<DocumentError>,
}

/// Reads a worksheet.
pub(super) fn sheet(xml: &str, book: &Book) -> Result<Sheet, DocumentError> {
    let mut reading = Reading {
        book,
        sheet: Sheet::default(),
        row: 0,
        next_row: 0,
        next_column: 0,
        open: None,
        in_value: false,
        in_reading: false,
        has_other_colours: false,
        white: Vec::new(),
        fault: None,
    };
    walk(xml, |event| match event {
        _ if reading.fault.is_some() => {}
        Xml::Start(element) => reading.start(&element),
        Xml::End(name) => reading.end(name),
        Xml::Text(text) => {
            if reading.in_value
                && !reading.in_reading
                && let Some(open) = &mut reading.open
            {
                open.value.push_str(text);
            }
        }
    })?;
    reading.finish()
}

impl Reading<'_> {
    fn start(&mut self, element: &Element<'_>) {
        match element.name {
            "row" => {
                self.row =
                    element.number::<u32>("r").and_then(|row| row.checked_sub(1)).unwrap_or(self.next_row);
                self.next_row = self.row.saturating_add(1);
                self.next_column = 0;
                if is_set(element, "hidden") {
                    self.sheet.grid.hidden_rows.insert(self.row);
                }
            }
            "c" => {
                let named = element.attribute("r").and_then(|name| place(&name));
                let (row, column) = named.unwrap_or((self.row, self.next_column));
                self.next_column = column.saturating_add(1);
                self.open = Some(Open {
                    row,
                    column,
                    style: element.number("s").unwrap_or_default(),
                    kind: element.attribute("t").unwrap_or_default(),
                    ..Open::default()
                });
            }
            "v" | "t" => self.in_value = true,
            "rPh" => self.in_reading = true,
            "f" => {
                if let Some(open) = &mut self.open {
                    open.has_formula = true;
                }
            }
            "col" if is_set(element, "hidden") && self.sheet.grid.hidden_columns.len() < RANGES_MAX => {
                let ends = (element.number::<u32>("min"), element.number::<u32>("max"));
                if let (Some(first), Some(last)) = ends {
                    self.sheet.grid.hidden_columns.push((first.saturating_sub(1), last.saturating_sub(1)));
                }
            }
            "mergeCell" if self.sheet.grid.merged.len() < RANGES_MAX => {
                self.sheet.grid.merged.extend(element.attribute("ref").and_then(|range| area(&range)));
            }
            "tablePart" | "conditionalFormatting" => self.has_other_colours = true,
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "v" | "t" => self.in_value = false,
            "rPh" => self.in_reading = false,
            "c" => {
                if let Some(open) = self.open.take() {
                    self.close(&open);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, open: &Open) {
        if open.value.is_empty() {
            self.sheet.empty_formulas += usize::from(open.has_formula);
            return;
        }
        let (text, hidden) = self.shown(open);
        let is_white = hidden.is_none() && self.book.styles.is_white(open.style);
        let cell = Cell { row: open.row, column: open.column, text, hidden };
        if is_white && self.white.len() < RANGES_MAX {
            self.white.push(cell);
        } else {
            self.fault = self.sheet.grid.add(cell).err();
        }
    }

    /// The text of a cell as the sheet shows it, or its value if the sheet's format hides it.
    fn shown(&self, open: &Open) -> (String, Option<HiddenReason>) {
        let format = self.book.styles.format(open.style);
        let as_text = |text: &str| {
            let text = unescaped(text);
            let shown = format.map_or_else(|| text.clone(), |format| format.text(&text));
            if shown.trim().is_empty() { (text, Some(HiddenReason::Marked)) } else { (shown, None) }
        };
        let value = open.value.trim();
        match open.kind.as_str() {
            "s" => {
                let text = value.parse().ok().and_then(|index| self.book.strings.get(index));
                text.map_or_else(|| ("\u{fffd}".to_owned(), None), as_text)
            }
            "str" | "inlineStr" => as_text(&open.value),
            "b" => (if value == "1" { "TRUE" } else { "FALSE" }.to_owned(), None),
            "e" | "d" => (value.to_owned(), None),
            _ => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => {
                    let general = crate::document::office::number_format::NumberFormat::default();
                    let shown = format.unwrap_or(&general).number(number);
                    if shown.trim().is_empty() && number == 0.0 {
                        // Many formats show nothing for zero, which hides nothing.
                        (String::new(), None)
                    } else if shown.trim().is_empty() {
                        (general.number(number), Some(HiddenReason::Marked))
                    } else {
                        (shown.trim().to_owned(), None)
                    }
                }
                _ => (value.to_owned(), None),
            },
        }
    }

    fn finish(mut self) -> Result<Sheet, DocumentError> {
        for mut cell in std::mem::take(&mut self.white) {
            if !self.has_other_colours {
                cell.hidden = Some(HiddenReason::Colour);
            }
            self.sheet.grid.add(cell)?;
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.sheet),
        }
    }
}

fn is_set(element: &Element<'_>, name: &str) -> bool {
    element.attribute(name).is_some_and(|value| value == "1" || value == "true")
}
