//! Tables with data, and tables that only place things on the page.

use std::collections::HashMap;

use super::element::heading;
use super::page::Page;

#[derive(Debug, Default)]
struct Facts {
    rows: usize,
    cells: usize,
    header_cells: usize,
    /// Headings, lists and other tables within.
    parts: usize,
    letters: usize,
    is_layout: bool,
}

/// The tables of a page that hold data, by their node.
#[derive(Debug)]
pub(super) struct Tables(HashMap<usize, Facts>);

impl Tables {
    pub(super) fn of(page: &Page) -> Self {
        let mut facts: HashMap<usize, Facts> = HashMap::new();
        // The table around each node, or 0.
        let mut around: Vec<usize> = Vec::with_capacity(page.len());
        for index in 0..page.len() {
            let table = around.get(page.parent(index)).copied().unwrap_or(0);
            let name = page.name(index);
            if let Some(facts) = facts.get_mut(&table) {
                match name {
                    "" => facts.letters += page.text(index).map_or(0, |text| text.trim().len()),
                    "tr" => facts.rows += 1,
                    "td" => facts.cells += 1,
                    "th" => facts.header_cells += 1,
                    "table" | "ul" | "ol" | "form" | "article" | "section" => facts.parts += 1,
                    _ if heading(name).is_some() => facts.parts += 1,
                    _ => {}
                }
            }
            if name == "table" {
                let role = page.attribute(index, "role");
                let is_layout = matches!(role, Some("presentation" | "none"));
                facts.insert(index, Facts { is_layout, ..Facts::default() });
            }
            around.push(if name == "table" { index } else { table });
        }
        Self(facts)
    }

    /// Whether the cells of a table belong together in rows.
    pub(super) fn holds_data(&self, table: usize) -> bool {
        const CELL_LETTERS_MAX: usize = 300;
        let Some(facts) = self.0.get(&table) else { return false };
        let cells = facts.cells + facts.header_cells;
        if facts.is_layout || cells <= facts.rows {
            return false;
        }
        facts.header_cells > 0 || (facts.parts == 0 && facts.letters <= cells * CELL_LETTERS_MAX)
    }
}
