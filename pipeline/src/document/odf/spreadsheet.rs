//! Reads ODS. A sheet is a page, with its name as label. Cells hold their values as the sheet shows them.

use super::package::{Parts, folder, parts};
use crate::document::{
    content::{HiddenReason, LineRole},
    error::DocumentError,
    limits::PAGES_MAX,
    office::{hidden::HiddenTexts, number_format::NumberFormat, unread::Unread},
    raw::{RawDocument, RawPage},
    sheets::grid::{Cell, Grid},
    xml::{Element, Xml, walk},
};

/// A cell or row with text that repeats more often is cut. Programs repeat empty ones by the million.
const REPEATS_MAX: u32 = 1_000;
/// Rows and columns of a sheet.
const PLACES_MAX: u32 = 1 << 24;

/// The sheet that is being read.
#[derive(Debug, Default)]
struct Sheet {
    name: String,
    is_hidden: bool,
    grid: Grid,
    row: u32,
    column: u32,
    /// The next column that is described.
    described: u32,
    row_repeats: u32,
    is_hidden_row: bool,
    cells: Vec<Cell>,
    /// The text of the open cell, and how often it repeats.
    cell: Option<(String, u32)>,
    /// The value of the open cell, for files that write no text into it.
    value: String,
    charts: Vec<Vec<String>>,
}

struct Reading<'d> {
    parts: &'d Parts,
    sheet: Option<Sheet>,
    pages: Vec<RawPage>,
    hidden: HiddenTexts,
    in_text: usize,
    skipped: usize,
    /// Tables in a sheet belong to its charts and forms.
    inner_tables: usize,
    frame_has_object: bool,
    unread: Unread,
    is_cut: bool,
    fault: Option<DocumentError>,
}

/// Reads an ODS, packed or flat.
pub(in crate::document) fn extract_sheets(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let mut parts = parts(bytes)?;
    let mut warnings = std::mem::take(&mut parts.warnings);
    let mut reading = Reading {
        parts: &parts,
        sheet: None,
        pages: Vec::new(),
        hidden: HiddenTexts::default(),
        in_text: 0,
        skipped: 0,
        inner_tables: 0,
        frame_has_object: false,
        unread: Unread::default(),
        is_cut: false,
        fault: None,
    };
    let mut in_body = false;
    walk(&parts.content, |event| match &event {
        Xml::Start(element) if element.name == "body" => in_body = true,
        Xml::End("body") => in_body = false,
        event if in_body && reading.fault.is_none() && reading.pages.len() <= PAGES_MAX => {
            reading.fault = reading.on(event).err();
        }
        _ => {}
    })?;
    if let Some(fault) = reading.fault {
        return Err(fault);
    }
    if reading.is_cut {
        warnings.push(format!("A cell or row that repeats was read {REPEATS_MAX} times only."));
    }
    reading.unread.check_text(&reading.pages)?;
    warnings.extend(reading.unread.warnings());
    let (hidden, warning) = reading.hidden.finish(reading.pages.len());
    warnings.extend(warning);
    Ok(RawDocument {
        title: parts.title.clone(),
        pages: reading.pages,
        warnings,
        hidden,
        ..RawDocument::default()
    })
}

impl Reading<'_> {
    fn on(&mut self, event: &Xml<'_>) -> Result<(), DocumentError> {
        match event {
            Xml::Start(_) if self.skipped > 0 => self.skipped += 1,
            Xml::End(_) if self.skipped > 0 => self.skipped -= 1,
            Xml::Start(element) => self.start(element),
            Xml::End(name) => return self.end(name),
            Xml::Text(text) => {
                let cell = self.sheet.as_mut().and_then(|sheet| sheet.cell.as_mut());
                if let Some((own, _)) = cell.filter(|_| self.in_text > 0 && self.skipped == 0) {
                    own.push_str(text);
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, element: &Element<'_>) {
        match element.name {
            "annotation" => {
                self.unread.comments += 1;
                self.skipped = 1;
            }
            "tracked-changes" | "forms" | "ruby-text" | "desc" | "named-expressions" => self.skipped = 1,
            "table" if self.sheet.is_some() => self.inner_tables += 1,
            "table" => {
                let style = element.attribute("style-name").unwrap_or_default();
                self.sheet = Some(Sheet {
                    name: element.attribute("name").unwrap_or_default(),
                    is_hidden: self.parts.styles.is_invisible("table", &style),
                    ..Sheet::default()
                });
            }
            "frame" => self.frame_has_object = false,
            "image" if !self.frame_has_object => self.unread.pictures += 1,
            "object" => {
                self.frame_has_object = true;
                let link = element.attribute("href").unwrap_or_default();
                if let (Some(sheet), Some(lines)) = (&mut self.sheet, self.parts.charts.get(&folder(&link))) {
                    sheet.charts.push(lines.clone());
                }
            }
            "p" => {
                self.in_text += 1;
                if let Some((text, _)) = self.sheet.as_mut().and_then(|sheet| sheet.cell.as_mut())
                    && !text.is_empty()
                {
                    text.push(' ');
                }
            }
            "s" | "tab" | "line-break" => {
                if let Some((text, _)) = self.sheet.as_mut().and_then(|sheet| sheet.cell.as_mut()) {
                    text.push(' ');
                }
            }
            _ => {
                if let Some(sheet) = &mut self.sheet {
                    sheet.start(element);
                }
            }
        }
    }

    fn end(&mut self, name: &str) -> Result<(), DocumentError> {
        match name {
            "p" => self.in_text = self.in_text.saturating_sub(1),
            "table" if self.inner_tables > 0 => self.inner_tables -= 1,
            "table" => return self.end_sheet(),
            "table-cell" => {
                if let Some(sheet) = &mut self.sheet {
                    self.is_cut |= sheet.end_cell();
                }
            }
            "covered-table-cell" => {
                if let Some(sheet) = &mut self.sheet {
                    let repeats = sheet.cell.take().map_or(1, |(_, repeats)| repeats);
                    sheet.column = sheet.column.saturating_add(repeats).min(PLACES_MAX);
                }
            }
            "table-row" => {
                if let Some(sheet) = &mut self.sheet {
                    self.is_cut |= sheet.end_row()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_sheet(&mut self) -> Result<(), DocumentError> {
        let Some(sheet) = self.sheet.take() else { return Ok(()) };
        let number = u32::try_from(self.pages.len() + 1).unwrap_or(u32::MAX);
        let mut page = sheet.grid.page(&sheet.name, number, &mut self.hidden)?;
        for lines in &sheet.charts {
            for (at, line) in lines.iter().enumerate() {
                let role = if line.contains(" | ") { LineRole::TableRow } else { LineRole::Text };
                page.push(if at == 0 { "\n\n" } else { "\n" }, line, role);
            }
        }
        if sheet.is_hidden {
            self.hidden.add(number, HiddenReason::Marked, &page.text);
        } else {
            self.pages.push(page);
        }
        Ok(())
    }
}

impl Sheet {
    fn start(&mut self, element: &Element<'_>) {
        let is_collapsed = || element.attribute("visibility").is_some_and(|it| it != "visible");
        match element.name {
            "table-column" => {
                let repeats: u32 = element.number("number-columns-repeated").unwrap_or(1);
                let end = self.described.saturating_add(repeats.max(1)).min(PLACES_MAX);
                if is_collapsed() && self.grid.hidden_columns.len() < 100_000 {
                    self.grid.hidden_columns.push((self.described, end.saturating_sub(1)));
                }
                self.described = end;
            }
            "table-row" => {
                self.column = 0;
                self.cells.clear();
                self.row_repeats = element.number("number-rows-repeated").unwrap_or(1).max(1);
                self.is_hidden_row = is_collapsed();
            }
            "table-cell" | "covered-table-cell" => {
                let repeats: u32 = element.number("number-columns-repeated").unwrap_or(1);
                self.cell = Some((String::new(), repeats.max(1)));
                self.value = value(element);
            }
            _ => {}
        }
    }

    /// Puts the open cell into its row; says whether repeats were cut.
    fn end_cell(&mut self) -> bool {
        let Some((mut text, repeats)) = self.cell.take() else { return false };
        if text.trim().is_empty() {
            text = std::mem::take(&mut self.value);
        }
        let is_empty = text.trim().is_empty();
        if !is_empty {
            for at in 0..repeats.min(REPEATS_MAX) {
                let column = self.column.saturating_add(at);
                self.cells.push(Cell { row: self.row, column, text: text.clone(), hidden: None });
            }
        }
        self.column = self.column.saturating_add(repeats).min(PLACES_MAX);
        !is_empty && repeats > REPEATS_MAX
    }

    /// Puts the row into the grid; says whether repeats were cut.
    fn end_row(&mut self) -> Result<bool, DocumentError> {
        let cells = std::mem::take(&mut self.cells);
        let is_empty = cells.is_empty();
        if !is_empty {
            for at in 0..self.row_repeats.min(REPEATS_MAX) {
                let row = self.row.saturating_add(at);
                if self.is_hidden_row {
                    self.grid.hidden_rows.insert(row);
                }
                for cell in &cells {
                    self.grid.add(Cell { row, ..cell.clone() })?;
                }
            }
        }
        self.row = self.row.saturating_add(self.row_repeats).min(PLACES_MAX);
        Ok(!is_empty && self.row_repeats > REPEATS_MAX)
    }
}

/// The value of a cell, written plainly.
fn value(element: &Element<'_>) -> String {
    let attribute = |name: &str| element.attribute(name).unwrap_or_default();
    let number = attribute("value").parse::<f64>().ok();
    match (attribute("value-type").as_str(), number) {
        ("percentage", Some(number)) => NumberFormat::new("0.##%", false).number(number).replace(".%", "%"),
        ("currency", Some(number)) => {
            let currency = attribute("currency");
            format!("{} {currency}", NumberFormat::new("0.00", false).number(number)).trim().to_owned()
        }
        (_, Some(number)) => NumberFormat::default().number(number),
        ("date", None) => attribute("date-value"),
        ("boolean", None) => attribute("boolean-value").to_uppercase(),
        ("string", None) => attribute("string-value"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
