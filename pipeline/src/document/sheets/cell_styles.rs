//! The styles of cells: the formats of their numbers, and white letters on nothing.

use std::collections::HashMap;

use crate::document::{
    error::DocumentError,
    office::{number_format::NumberFormat, white::is_white},
    xml::{Element, Xml, walk},
};

/// Excel allows 65,490 styles of cells.
const STYLES_MAX: usize = 65_536;

/// A style of cells.
#[derive(Debug, Clone, Copy, Default)]
struct Style {
    format: usize,
    is_white: bool,
}

/// The styles of a workbook.
#[derive(Debug, Default)]
pub(super) struct CellStyles {
    formats: Vec<NumberFormat>,
    styles: Vec<Style>,
}

impl CellStyles {
    /// The format of a style's numbers.
    pub(super) fn format(&self, style: usize) -> Option<&NumberFormat> {
        self.formats.get(self.styles.get(style)?.format)
    }

    /// Whether the style's letters are white, on cells without a colour.
    pub(super) fn is_white(&self, style: usize) -> bool {
        self.styles.get(style).is_some_and(|style| style.is_white)
    }
}

#[derive(Debug, Default)]
struct Reading {
    codes: HashMap<u32, String>,
    white_fonts: Vec<bool>,
    plain_fills: Vec<bool>,
    /// The format, font and fill of each style.
    cells: Vec<(u32, usize, usize)>,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    Other,
    Fonts,
    Fills,
    Cells,
}

/// Reads the styles of a workbook.
pub(super) fn cell_styles(xml: &str, is_1904: bool) -> Result<CellStyles, DocumentError> {
    let mut reading = Reading::default();
    walk(xml, |event| match event {
        Xml::Start(element) => reading.start(&element),
        Xml::End("fonts" | "fills" | "cellXfs") => reading.part = Part::Other,
        _ => {}
    })?;
    Ok(reading.styles(is_1904))
}

impl Reading {
    fn start(&mut self, element: &Element<'_>) {
        match (element.name, self.part) {
            ("fonts", _) => self.part = Part::Fonts,
            ("fills", _) => self.part = Part::Fills,
            ("cellXfs", _) => self.part = Part::Cells,
            ("numFmt", Part::Other) => {
                if let (Some(id), Some(code)) = (element.number("numFmtId"), element.attribute("formatCode"))
                {
                    self.codes.insert(id, code);
                }
            }
            ("font", Part::Fonts) => self.white_fonts.push(false),
            ("color", Part::Fonts) => {
                let is_white = element.attribute("rgb").is_some_and(|rgb| is_white(&rgb))
                    || element.attribute("theme").as_deref() == Some("0")
                        && element.attribute("tint").is_none();
                if let Some(last) = self.white_fonts.last_mut() {
                    *last = is_white;
                }
            }
            ("fill", Part::Fills) => self.plain_fills.push(false),
            ("patternFill", Part::Fills) => {
                let pattern = element.attribute("patternType");
                if let Some(last) = self.plain_fills.last_mut() {
                    *last = pattern.is_none_or(|pattern| pattern == "none");
                }
            }
            ("xf", Part::Cells) if self.cells.len() < STYLES_MAX => {
                self.cells.push((
                    element.number("numFmtId").unwrap_or_default(),
                    element.number("fontId").unwrap_or_default(),
                    element.number("fillId").unwrap_or_default(),
                ));
            }
            _ => {}
        }
    }

    fn styles(self, is_1904: bool) -> CellStyles {
        let mut known: HashMap<u32, usize> = HashMap::new();
        let mut styles = CellStyles::default();
        for (id, font, fill) in &self.cells {
            let format = *known.entry(*id).or_insert_with(|| {
                let code = self.codes.get(id).map_or_else(|| builtin(*id), String::as_str);
                styles.formats.push(NumberFormat::new(code, is_1904));
                styles.formats.len() - 1
            });
            let is_white = self.white_fonts.get(*font).copied().unwrap_or_default()
                && self.plain_fills.get(*fill).copied().unwrap_or_default();
            styles.styles.push(Style { format, is_white });
        }
        styles
    }
}

/// The codes that files name by number only, as Excel in English shows them.
const fn builtin(id: u32) -> &'static str {
    match id {
        1 => "0",
        2 => "0.00",
        3 => "#,##0",
        4 => "#,##0.00",
        5 | 6 => "$#,##0;-$#,##0",
        7 | 8 => "$#,##0.00;-$#,##0.00",
        9 => "0%",
        10 => "0.00%",
        11 => "0.00E+00",
        12 => "# ?/?",
        13 => "# ??/??",
        14 => "m/d/yyyy",
        15 => "d-mmm-yy",
        16 => "d-mmm",
        17 => "mmm-yy",
        18 => "h:mm AM/PM",
        19 => "h:mm:ss AM/PM",
        20 => "h:mm",
        21 => "h:mm:ss",
        22 => "m/d/yyyy h:mm",
        27..=31 | 36 | 50..=54 | 57 | 58 => "yyyy-mm-dd",
        37 | 38 => "#,##0;(#,##0)",
        39 | 40 => "#,##0.00;(#,##0.00)",
        41 => "#,##0;-#,##0;-",
        42 => "$#,##0;-$#,##0;$-",
        43 => "#,##0.00;-#,##0.00;-",
        44 => "$#,##0.00;-$#,##0.00;$-",
        45 => "mm:ss",
        46 => "[h]:mm:ss",
        47 => "mm:ss.0",
        48 => "##0.0E+0",
        49 => "@",
        _ => "General",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_have_formats_and_colours() {
        let xml = "<styleSheet><numFmts><numFmt numFmtId='164' formatCode='0.0&quot; km&quot;'/></numFmts><fonts><font/>\
                   <font><color rgb='FFFFFFFF'/></font></fonts><fills><fill><patternFill patternType='none'/></fill><fill>\
                   <patternFill patternType='solid'/></fill></fills><cellStyleXfs><xf numFmtId='9'/></cellStyleXfs><cellXfs>\
                   <xf numFmtId='164' fontId='1' fillId='0'/><xf numFmtId='9' fontId='1' fillId='1'/></cellXfs></styleSheet>";
        let styles = cell_styles(xml, false).unwrap();
        assert_eq!(styles.format(0).unwrap().number(4.25), "4.3 km");
        assert_eq!(styles.format(1).unwrap().number(0.42), "42%");
        assert!(styles.format(2).is_none());
        assert_eq!([styles.is_white(0), styles.is_white(1)], [true, false]);
    }
}
