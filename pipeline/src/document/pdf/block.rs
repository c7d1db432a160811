//! Blocks: the parts of a page that are read in one go.

use super::{lines, segment::Segment, written::Written};

/// A part of the page that is read in one go.
#[derive(Debug)]
pub(super) enum Block<'s> {
    /// Read line by line.
    Lines(Vec<&'s Segment>),
    /// A row of a table. Its cells are read one after the other, each line by line.
    Row(Vec<Vec<&'s Segment>>),
}

impl<'s> Block<'s> {
    pub(super) fn write(&self) -> Written {
        match self {
            Self::Lines(segments) => lines::write(segments),
            Self::Row(cells) => {
                let mut out = Written::default();
                for cell in cells {
                    for line in lines::lines(cell) {
                        // A row is one line, except where a hyphen at the end of a line divides a word.
                        let divides = out.text.ends_with(['-', '\u{2010}', '\u{ad}']);
                        let separator = if divides { "\n" } else { " " };
                        out.push(
                            if out.text.is_empty() { "" } else { separator },
                            &line.text(),
                            &line.segments,
                        );
                    }
                }
                out.is_row();
                out
            }
        }
    }

    /// Whether this block continues the table in which `last` is a row.
    pub(super) fn continues_table(&self, last: &Self) -> bool {
        const ROW_PITCH_MAX: f64 = 3.0;
        if !matches!((last, self), (Self::Row(_), _) | (_, Self::Row(_))) {
            return false;
        }
        let bottom = last.segments().map(|segment| segment.baseline).fold(f64::NEG_INFINITY, f64::max);
        let Some(first) = self.segments().min_by(|a, b| a.baseline.total_cmp(&b.baseline)) else {
            return false;
        };
        (0.0..ROW_PITCH_MAX * first.size).contains(&(first.baseline - bottom))
    }

    fn segments(&self) -> impl Iterator<Item = &&'s Segment> {
        let (lines, cells): (&[&Segment], &[Vec<&Segment>]) = match self {
            Self::Lines(segments) => (segments, &[]),
            Self::Row(cells) => (&[], cells),
        };
        lines.iter().chain(cells.iter().flatten())
    }
}
