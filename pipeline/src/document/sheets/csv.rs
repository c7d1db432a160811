//! Tables as plain text: fields between commas, semicolons, tabulators or bars.

use csv::{ReaderBuilder, StringRecord};

use super::grid::{Cell, Grid};
use crate::document::{
    encoding::{self, Decoded},
    error::DocumentError,
    office::hidden::HiddenTexts,
    raw::RawDocument,
};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// The records that decide on the delimiter.
const SAMPLE_RECORDS: usize = 100;
/// A field with more lines than this began with a quote that nothing closes.
const FIELD_LINES_MAX: usize = 1_000;

/// Whether a text is a table: by its name, or by many records of equally many fields.
pub(in crate::document) fn is_csv(start: &str, name: &str) -> bool {
    if [".csv", ".tsv", ".tab"].iter().any(|ending| name.ends_with(ending)) {
        return true;
    }
    let is_other = [".txt", ".text", ".md", ".markdown", ".log", ".json", ".xml", ".eml"];
    if is_other.iter().any(|ending| name.ends_with(ending)) {
        return false;
    }
    // Data of programs, markup, and a table of Markdown have commas and bars too.
    let rule = |line: &str| line.contains("--") && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '));
    if start.trim_start().starts_with(['{', '[', '<']) || start.lines().take(20).any(rule) {
        return false;
    }
    let Some(shape) = best(start) else { return false };
    // Running text has commas too, but not equally many in each line.
    let columns_min = if shape.delimiter == b',' { 4 } else { 3 };
    shape.records >= 5 && shape.columns >= columns_min && shape.share > 0.95
}

/// Reads a table.
pub(in crate::document) fn extract_csv(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let Decoded { text: source, warnings } = encoding::decode(bytes, None)?;
    let source = source.trim_start_matches('\u{feff}');
    // Excel writes and reads a first line that names the delimiter.
    let (named, table) = match source.split_once('\n') {
        Some((first, rest)) => match first.trim().strip_prefix("sep=").map(str::as_bytes) {
            Some([delimiter]) => (Some(*delimiter), rest),
            _ => (None, source),
        },
        None => (None, source),
    };
    let delimiter = named.or_else(|| best(table).map(|shape| shape.delimiter)).unwrap_or(b',');
    let grid = match grid(table, delimiter, true)? {
        Some(grid) => grid,
        None => grid(table, delimiter, false)?.unwrap_or_default(),
    };
    let mut page = grid.page("", 1, &mut HiddenTexts::default())?;
    page.label = None;
    Ok(RawDocument { pages: vec![page], warnings, ..RawDocument::default() })
}

/// The cells of a table; `None` if a quote is never closed.
fn grid(table: &str, delimiter: u8, has_quotes: bool) -> Result<Option<Grid>, DocumentError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .quoting(has_quotes)
        .from_reader(table.as_bytes());
    let (mut grid, mut record, mut row) = (Grid::default(), StringRecord::new(), 0_u32);
    while let Ok(true) = reader.read_record(&mut record) {
        for (column, field) in record.iter().enumerate() {
            if has_quotes && memchr::memchr_iter(b'\n', field.as_bytes()).count() > FIELD_LINES_MAX {
                return Ok(None);
            }
            let column = u32::try_from(column).unwrap_or(u32::MAX);
            grid.add(Cell { row, column, text: field.trim().to_owned(), hidden: None })?;
        }
        row = row.saturating_add(1);
    }
    Ok(Some(grid))
}

/// The shape of a table under a delimiter.
#[derive(Debug, Clone, Copy)]
struct Shape {
    delimiter: u8,
    /// The most frequent number of fields.
    columns: usize,
    records: usize,
    /// The share of records with that number.
    share: f64,
}

/// The delimiter under which most records have equally many fields.
fn best(start: &str) -> Option<Shape> {
    let shapes = DELIMITERS.into_iter().filter_map(|delimiter| shape(start, delimiter));
    shapes.max_by(|a, b| (a.share * a.columns.min(4) as f64).total_cmp(&(b.share * b.columns.min(4) as f64)))
}

fn shape(start: &str, delimiter: u8) -> Option<Shape> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(start.as_bytes());
    let mut counts: Vec<usize> = Vec::new();
    let mut record = StringRecord::new();
    while counts.len() < SAMPLE_RECORDS && matches!(reader.read_record(&mut record), Ok(true)) {
        counts.push(record.len());
    }
    // The sample may end within a record.
    if counts.len() > 2 {
        counts.pop();
    }
    let records = counts.len();
    counts.sort_unstable();
    let groups = counts.chunk_by(|a, b| a == b).filter(|group| group.first().is_some_and(|count| *count > 1));
    let largest = groups.max_by_key(|group| group.len())?;
    let columns = *largest.first()?;
    Some(Shape { delimiter, columns, records, share: largest.len() as f64 / records as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> String {
        extract_csv(source.as_bytes()).unwrap().pages.remove(0).text
    }

    #[test]
    fn every_delimiter_gives_the_same_rows() {
        for delimiter in [",", ";", "\t", "|"] {
            let source = "City;Share;Note\nOslo;42;\"two\nlines\"\nBergen;17;\"say \"\"yes\"\"\"\n"
                .replace(';', delimiter);
            assert_eq!(
                read(&source),
                "City | Share | Note\nOslo | 42 | two lines\nBergen | 17 | say \"yes\""
            );
        }
        assert_eq!(read("sep=;\r\na,b;c\r\n"), "a,b | c");
        assert_eq!(
            read("Report of May\n\nCity;Share\nOslo;1,5\nBergen;2,5\n"),
            "Report of May\nCity | Share\nOslo | 1,5\nBergen | 2,5"
        );
    }

    #[test]
    fn open_quotes_lose_no_rows() {
        let rows = "a;b\n".repeat(3_000);
        let source = format!("a;\"b\n{rows}");
        assert_eq!(read(&source).lines().count(), 3_001);
    }

    #[test]
    fn texts_are_no_tables() {
        let prose =
            "First, a line.\nThen, another, with more.\n\nAnd one.\nSo, it goes.\nOn, and on, and on.\n";
        assert!(!is_csv(prose, "upload"));
        assert!(is_csv(&"a,b,c,d\n".repeat(9), "upload"));
        assert!(!is_csv(&"a,b,c,d\n".repeat(9), "notes.txt"));
        assert!(is_csv("one column", "x.csv"));
        assert!(!is_csv(&format!("| a | b | c |\n|---|---|---|\n{}", "| 1 | 2 | 3 |\n".repeat(9)), "upload"));
        assert!(!is_csv(&"{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4}\n".repeat(9), "upload"));
    }
}
