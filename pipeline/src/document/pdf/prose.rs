//! Prose: tells whether two sides of a gutter are columns of running text or cells of one table.

use super::{
    lines::{self, Line},
    segment::Segment,
};

/// Left edges that differ by less belong to one column.
const EDGE_TOLERANCE_POINTS: f64 = 2.5;
/// Lines of two sides whose baselines differ by less are at the same level.
const SAME_LEVEL_POINTS: f64 = 2.0;

/// Measures of one side of a gutter.
struct Side<'s> {
    lines: Vec<Line<'s>>,
    leading: Option<f64>,
    mean_chars: f64,
    /// The mean length of its lines, as a share of the longest.
    fill: f64,
    /// The share of its lines that go on with the sentence before, or are items of a list.
    flowing: f64,
    /// The baselines at which paragraphs or table rows start.
    starts: Vec<f64>,
}

impl<'s> Side<'s> {
    fn new(segments: &[&'s Segment]) -> Self {
        let lines = lines::lines(segments);
        let leading = lines::leading(&lines);
        let count = lines.len().max(1) as f64;
        let widths: Vec<f64> = lines.iter().map(|line| line.x1() - line.x0()).collect();
        let widest = widths.iter().copied().fold(1.0, f64::max);
        let starts = lines
            .windows(2)
            .filter_map(|pair| match pair {
                [one, next] if lines::breaks(one, next, leading) => Some(next.baseline),
                _ => None,
            })
            .collect();
        Self {
            flowing: lines::flowing(&lines),
            mean_chars: lines.iter().map(Line::chars).sum::<usize>() as f64 / count,
            fill: widths.iter().sum::<f64>() / count / widest,
            lines,
            leading,
            starts,
        }
    }

    /// Whether its pieces are too long for cells of a table.
    fn has_long_pieces(&self) -> bool {
        const PIECE_LINES_MIN: usize = 3;
        const FLOWING_MIN: f64 = 0.3;
        self.lines.len() >= PIECE_LINES_MIN * (self.starts.len() + 1) && self.flowing >= FLOWING_MIN
    }

    /// The first and the last baseline of each of its pieces.
    fn pieces(&self) -> Vec<(f64, f64)> {
        let mut pieces: Vec<(f64, f64)> = Vec::new();
        for line in &self.lines {
            let starts = self.starts.contains(&line.baseline);
            match pieces.last_mut() {
                Some(piece) if !starts => piece.1 = line.baseline,
                _ => pieces.push((line.baseline, line.baseline)),
            }
        }
        pieces
    }
}

/// Whether two sides are columns of running text, not cells of one table.
pub(super) fn read_as_columns(left: &[&Segment], right: &[&Segment]) -> bool {
    const WORDS_CHARS_MIN: f64 = 12.0;
    const PROSE_CHARS_MIN: f64 = 18.0;
    const PROSE_FILL_MIN: f64 = 0.65;
    const PROSE_FLOWING_MIN: f64 = 0.3;
    let (left, right) = (Side::new(left), Side::new(&first_column(right)));
    let (few, many) = if left.lines.len() < right.lines.len() { (&left, &right) } else { (&right, &left) };
    if goes_on_in(few, many) {
        return true;
    }
    if few.lines.len() < 2 || many.lines.len() < 3 || few.mean_chars < WORDS_CHARS_MIN {
        return false;
    }
    if many.mean_chars < WORDS_CHARS_MIN {
        return false;
    }
    let together = starts_together(&left, &right);
    if together && !(left.has_long_pieces() && right.has_long_pieces()) {
        return false;
    }
    if level_share(few, many) < 0.6 {
        return !are_centred(few, many);
    }
    // Lines are at the same levels, so these are columns on a common grid, or rows. Prose fills its column,
    // and its sentences go on from line to line.
    few.lines.len() >= 4
        && few.leading.is_some()
        && few.mean_chars >= PROSE_CHARS_MIN
        && many.mean_chars >= PROSE_CHARS_MIN
        && few.fill >= PROSE_FILL_MIN
        && many.fill >= PROSE_FILL_MIN
        && few.flowing >= PROSE_FLOWING_MIN
        && many.flowing >= PROSE_FLOWING_MIN
}

/// Whether the few lines of one side are the end of the prose that fills the other.
fn goes_on_in(few: &Side<'_>, many: &Side<'_>) -> bool {
    const FEW_MAX: usize = 3;
    const MANY_MIN: usize = 5;
    const CHARS_MIN: f64 = 18.0;
    const FLOWING_MIN: f64 = 0.5;
    let first = few.lines.first().and_then(|line| line.segments.first()?.text.chars().next());
    few.lines.len() <= FEW_MAX
        && many.lines.len() >= MANY_MIN
        && first.is_some_and(char::is_lowercase)
        && (few.lines.len() == 1 || few.flowing >= FLOWING_MIN)
        && few.mean_chars >= CHARS_MIN
        && many.mean_chars >= CHARS_MIN
        && many.flowing >= FLOWING_MIN
}

/// The column right behind the gutter. More columns may follow it, on a grid of their own.
fn first_column<'s>(right: &[&'s Segment]) -> Vec<&'s Segment> {
    // A bullet may stand out to the left.
    const STAND_OUT: usize = 5;
    let mut starts: Vec<f64> = right.iter().map(|segment| segment.x0).collect();
    starts.sort_by(f64::total_cmp);
    let start = starts.get(starts.len() / STAND_OUT).copied().unwrap_or_default();
    let end = right
        .iter()
        .filter(|segment| segment.x0 < start + EDGE_TOLERANCE_POINTS)
        .map(|segment| segment.x1)
        .fold(start, f64::max);
    right.iter().copied().filter(|segment| segment.x0 < end).collect()
}

/// The share of one side's lines that have a line of the other side at their level.
fn level_share(few: &Side<'_>, many: &Side<'_>) -> f64 {
    // Lines are sorted from top to bottom.
    let level = few.lines.iter().filter(|line| {
        let reach = 0.15 * line.size;
        let at = many.lines.partition_point(|other| other.baseline <= line.baseline - reach);
        many.lines.get(at).is_some_and(|other| other.baseline < line.baseline + reach)
    });
    level.count() as f64 / few.lines.len().max(1) as f64
}

/// Whether both sides have gaps at the same levels. Then they are rows whose cells have several lines, or
/// cards.
fn starts_together(left: &Side<'_>, right: &Side<'_>) -> bool {
    let together = left
        .starts
        .iter()
        .filter(|start| {
            let at = right.starts.partition_point(|other| *other <= *start - SAME_LEVEL_POINTS);
            right.starts.get(at).is_some_and(|other| *other < *start + SAME_LEVEL_POINTS)
        })
        .count();
    let most = left.starts.len().max(right.starts.len());
    together >= 2 && together * 4 >= most * 3
}

/// Whether each piece of one side stands at the middle of a piece of the other, as the cells of a row do.
fn are_centred(few: &Side<'_>, many: &Side<'_>) -> bool {
    const PIECES_MIN: usize = 3;
    let (pieces, others) = (few.pieces(), many.pieces());
    if pieces.len() < PIECES_MIN || pieces.len() != others.len() {
        return false;
    }
    let size = few.lines.first().map_or(1.0, |line| line.size);
    let middle = |piece: &(f64, f64)| f64::midpoint(piece.0, piece.1);
    let centred =
        pieces.iter().zip(&others).filter(|(one, other)| (middle(one) - middle(other)).abs() < 0.4 * size);
    centred.count() * 4 >= pieces.len() * 3
}

/// Where the first row of cards ends: the level below the first wide gap that both sides share.
pub(super) fn row_end(left: &[&Segment], right: &[&Segment]) -> Option<f64> {
    const WIDE: f64 = 1.9;
    let (left, right) = (Side::new(left), Side::new(&first_column(right)));
    if !starts_together(&left, &right) {
        return None;
    }
    let gaps = |side: &Side<'_>| -> Vec<(f64, f64)> {
        let wide = WIDE * side.leading.unwrap_or(1.2);
        let pairs = side.lines.windows(2).filter_map(|pair| match pair {
            [one, next] if next.baseline - one.baseline > wide * one.size.min(next.size) => {
                Some((one.baseline, next.baseline))
            }
            _ => None,
        });
        pairs.collect()
    };
    let others = gaps(&right);
    gaps(&left).into_iter().find_map(|(above, below)| {
        let other = others.iter().find(|(_, start)| (start - below).abs() < SAME_LEVEL_POINTS)?;
        Some(f64::midpoint(above.max(other.0), below.min(other.1)))
    })
}
