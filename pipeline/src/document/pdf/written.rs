//! Text that is written line by line, with the place of each line.

use super::segment::Segment;

/// A line of text as it is written.
#[derive(Debug, Clone)]
pub(super) struct WrittenLine {
    /// Its index in the text, as `\n` separates lines.
    pub(super) line: usize,
    pub(super) x0: f64,
    pub(super) x1: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    /// The size of most of its letters.
    pub(super) size: f64,
    pub(super) bold: bool,
    /// How many pieces stand side by side in it.
    pub(super) pieces: usize,
    /// The left and right edges of its cells, if wide gaps divide it into several.
    pub(super) cells: Vec<(f64, f64)>,
    pub(super) in_row: bool,
}

/// Text in lines.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) lines: Vec<WrittenLine>,
    /// The number of line breaks in the text.
    breaks: usize,
}

impl Written {
    /// Adds a line, or with a separator without a line break, a part of one.
    pub(super) fn push(&mut self, separator: &str, text: &str, segments: &[&Segment]) {
        self.text.push_str(separator);
        self.text.push_str(text);
        self.breaks += separator.matches('\n').count();
        let Some(line) = line_of(self.breaks, segments) else { return };
        match self.lines.last_mut() {
            Some(last) if last.line == self.breaks => last.extend(&line),
            _ => self.lines.push(line),
        }
    }

    /// Says that all lines are rows of a table.
    pub(super) fn is_row(&mut self) {
        for line in &mut self.lines {
            line.in_row = true;
        }
    }

    /// Adds another text after the separator, if there is any text before it.
    pub(super) fn append(&mut self, separator: &str, other: Self) {
        if other.text.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str(separator);
            self.breaks += separator.matches('\n').count();
        }
        self.text.push_str(&other.text);
        self.lines.extend(
            other.lines.into_iter().map(|line| WrittenLine { line: line.line + self.breaks, ..line }),
        );
        self.breaks += other.breaks;
    }
}

impl WrittenLine {
    fn extend(&mut self, other: &Self) {
        self.x0 = self.x0.min(other.x0);
        self.x1 = self.x1.max(other.x1);
        self.top = self.top.min(other.top);
        self.bottom = self.bottom.max(other.bottom);
        self.pieces += other.pieces;
        self.bold &= other.bold;
    }
}

fn line_of(line: usize, segments: &[&Segment]) -> Option<WrittenLine> {
    /// Cells are further apart than words, as a share of the size.
    const CELL_GAP: f64 = 1.0;
    let first = segments.first()?;
    let mut found = WrittenLine {
        line,
        x0: first.x0,
        x1: first.x1,
        top: first.top(),
        bottom: first.bottom(),
        size: first.size,
        bold: first.bold,
        pieces: segments.len(),
        cells: Vec::new(),
        in_row: false,
    };
    let mut longest = first.text.len();
    let mut cell = (first.x0, first.x1);
    for segment in segments.iter().skip(1) {
        if segment.x0 - found.x1 > CELL_GAP * segment.size {
            found.cells.push(cell);
            cell.0 = segment.x0;
        }
        found.x0 = found.x0.min(segment.x0);
        found.x1 = found.x1.max(segment.x1);
        found.top = found.top.min(segment.top());
        found.bottom = found.bottom.max(segment.bottom());
        found.bold &= segment.bold;
        cell.1 = found.x1;
        if segment.text.len() > longest {
            longest = segment.text.len();
            found.size = segment.size;
        }
    }
    if !found.cells.is_empty() {
        found.cells.push(cell);
    }
    Some(found)
}
