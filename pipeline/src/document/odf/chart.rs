//! The text of a chart in an OpenDocument file: its titles, and the table that it draws.

use crate::document::{
    error::DocumentError,
    sections::row,
    xml::{Xml, walk},
};

/// A chart draws hundreds of points; a reader reads fewer.
const ROWS_MAX: usize = 5_000;

/// The lines of a chart: its titles, then a line for each category.
pub(super) fn chart_lines(xml: &str) -> Result<Vec<String>, DocumentError> {
    let mut titles = Vec::new();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let (mut text, mut in_paragraph) = (String::new(), false);
    walk(xml, |event| match event {
        Xml::Start(element) => match element.name {
            "p" => in_paragraph = true,
            "title" | "subtitle" | "table-cell" => text.clear(),
            "table-row" if rows.len() < ROWS_MAX => rows.push(Vec::new()),
            _ => {}
        },
        Xml::Text(own) if in_paragraph => text.push_str(own),
        Xml::Text(_) => {}
        Xml::End("p") => {
            in_paragraph = false;
            text.push(' ');
        }
        Xml::End("title" | "subtitle") => titles.push(text.trim().to_owned()),
        Xml::End("table-cell") => {
            if let Some(row) = rows.last_mut() {
                row.push(text.trim().to_owned());
            }
        }
        Xml::End(_) => {}
    })?;
    titles.retain(|title| !title.is_empty());
    let is_single = rows.iter().all(|cells| cells.len() <= 2);
    // The first row names the rows of numbers. A single one needs no name.
    let lines = rows.iter().skip(usize::from(is_single));
    titles.extend(lines.map(|cells| if is_single { cells.join(" ") } else { row(cells) }));
    titles.iter_mut().for_each(|line| *line = line.trim().to_owned());
    titles.retain(|line| !line.is_empty());
    Ok(titles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_rows_are_lines() {
        let row = |cells: &[&str]| {
            let cells: String = cells
                .iter()
                .map(|it| format!("<table:table-cell><text:p>{it}</text:p></table:table-cell>"))
                .collect();
            format!("<table:table-row>{cells}</table:table-row>")
        };
        let title = "<chart:title><text:p>Refills</text:p></chart:title>";
        let single = format!(
            "<o>{title}<table:table>{}{}</table:table></o>",
            row(&["", "2026"]),
            row(&["Oslo", "42"])
        );
        assert_eq!(chart_lines(&single).unwrap(), ["Refills", "Oslo 42"]);
        let several =
            format!("<o><table:table>{}{}</table:table></o>", row(&["", "A", "B"]), row(&["Oslo", "1", "2"]));
        assert_eq!(chart_lines(&several).unwrap(), ["| A | B", "Oslo | 1 | 2"]);
    }
}
