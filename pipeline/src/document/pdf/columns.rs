//! Columns: tells whether two sides of a gutter are running text, and where gutters may stand.

use super::{
    lines::{self, Line},
    segment::Segment,
};

/// The most left edges that are tried as the start of a column. The most used come first.
const CANDIDATES_MAX: usize = 12;

/// Two columns side by side.
pub(super) struct Columns<'s> {
    pub(super) left: Vec<&'s Segment>,
    pub(super) right: Vec<&'s Segment>,
    pub(super) top: f64,
}

impl<'s> Columns<'s> {
    pub(super) fn new(left: Vec<&'s Segment>, right: Vec<&'s Segment>) -> Option<Self> {
        let top = left.iter().chain(&right).map(|segment| segment.baseline).reduce(f64::min)?;
        (!left.is_empty() && !right.is_empty()).then_some(Self { left, right, top })
    }

    pub(super) fn chars(&self) -> usize {
        self.left.iter().chain(&self.right).map(|segment| segment.text.len()).sum()
    }

    /// The largest part of the stretch that is columns, if the whole is not. For example, page numbers of a
    /// table of contents may stand right of the gutter.
    pub(super) fn core(&self) -> Option<Self> {
        /// The least mean length of the segments on both sides of a band of prose.
        const PROSE_CHARS_MIN: usize = 12;
        let all: Vec<&'s Segment> = self.left.iter().chain(&self.right).copied().collect();
        let bands =
            merged(all.iter().map(|it| (it.top() - 0.1 * it.size, it.bottom() + 0.1 * it.size)).collect());
        let in_band = |side: &[&'s Segment], (top, bottom): (f64, f64)| -> Vec<&'s Segment> {
            side.iter().copied().filter(|it| it.baseline > top && it.baseline < bottom).collect()
        };
        let long = |side: &[&Segment]| {
            side.iter().map(|it| it.text.len()).sum::<usize>() >= PROSE_CHARS_MIN * side.len()
        };
        let mut best: Option<Self> = None;
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for band in bands.iter().copied().map(Some).chain([None]) {
            let sides = band.map(|band| (in_band(&self.left, band), in_band(&self.right, band)));
            if let Some((band_left, band_right)) = sides.filter(|(left, right)| long(left) && long(right)) {
                left.extend(band_left);
                right.extend(band_right);
                continue;
            }
            let run = Self::new(std::mem::take(&mut left), std::mem::take(&mut right));
            if let Some(run) = run
                && best.as_ref().is_none_or(|best| run.chars() > best.chars())
                && run.chars() < self.chars()
                && read_as_columns(&run)
            {
                best = Some(run);
            }
        }
        best
    }
}

/// Overlapping intervals joined, in order.
pub(super) fn merged(mut intervals: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::with_capacity(intervals.len());
    for (top, bottom) in intervals {
        match merged.last_mut() {
            Some(last) if top <= last.1 => last.1 = last.1.max(bottom),
            _ => merged.push((top, bottom)),
        }
    }
    merged
}

/// Left edges at which several segments start, the most used first.
pub(super) fn column_starts(region: &[&Segment]) -> Vec<f64> {
    const EDGE_TOLERANCE_POINTS: f64 = 2.5;
    let mut edges: Vec<f64> = region.iter().map(|segment| segment.x0).collect();
    edges.sort_by(f64::total_cmp);
    let leftmost = edges.first().copied().unwrap_or_default();
    let mut clusters: Vec<(f64, usize)> = Vec::new();
    for edge in edges {
        match clusters.last_mut() {
            Some((start, count)) if edge - *start < EDGE_TOLERANCE_POINTS => *count += 1,
            _ => clusters.push((edge, 1)),
        }
    }
    clusters.retain(|(start, count)| *count >= 2 && *start > leftmost + EDGE_TOLERANCE_POINTS);
    clusters.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    clusters.truncate(CANDIDATES_MAX);
    // From left to right, so that the first of three columns is cut off first.
    clusters.sort_by(|a, b| a.0.total_cmp(&b.0));
    clusters.into_iter().map(|(start, _)| start).collect()
}

/// Measures of one side of a gutter.
struct Side<'s> {
    lines: Vec<Line<'s>>,
    leading: Option<f64>,
    mean_chars: f64,
    /// The mean length of its lines, as a share of the longest.
    fill: f64,
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
            mean_chars: lines.iter().map(Line::chars).sum::<usize>() as f64 / count,
            fill: widths.iter().sum::<f64>() / count / widest,
            lines,
            leading,
            starts,
        }
    }
}

/// Whether two sides are columns of running text, not cells of one table.
pub(super) fn read_as_columns(columns: &Columns<'_>) -> bool {
    const WORDS_CHARS_MIN: f64 = 12.0;
    const PROSE_CHARS_MIN: f64 = 18.0;
    const PROSE_FILL_MIN: f64 = 0.65;
    let (left, right) = (Side::new(&columns.left), Side::new(&columns.right));
    let (few, many) = if left.lines.len() < right.lines.len() { (&left, &right) } else { (&right, &left) };
    if few.lines.len() < 2 || many.lines.len() < 3 || few.mean_chars < WORDS_CHARS_MIN {
        return false;
    }
    if many.mean_chars < WORDS_CHARS_MIN || rows_start_together(&left, &right) {
        return false;
    }
    if level_share(few, many) < 0.6 {
        return true;
    }
    // Lines are at the same levels, so these are columns on a common grid, or rows. Prose fills its column.
    few.lines.len() >= 4
        && few.leading.is_some()
        && few.mean_chars >= PROSE_CHARS_MIN
        && many.mean_chars >= PROSE_CHARS_MIN
        && few.fill >= PROSE_FILL_MIN
        && many.fill >= PROSE_FILL_MIN
}

/// The share of one side's lines that have a line of the other side at their level.
fn level_share(few: &Side<'_>, many: &Side<'_>) -> f64 {
    let level = few.lines.iter().filter(|line| {
        many.lines.iter().any(|other| (other.baseline - line.baseline).abs() < 0.15 * line.size)
    });
    level.count() as f64 / few.lines.len().max(1) as f64
}

/// Whether both sides have gaps at the same levels. Then they are rows whose cells have several lines.
fn rows_start_together(left: &Side<'_>, right: &Side<'_>) -> bool {
    let together = left
        .starts
        .iter()
        .filter(|start| right.starts.iter().any(|other| (*start - other).abs() < 2.0))
        .count();
    let most = left.starts.len().max(right.starts.len());
    together >= 2 && together * 4 >= most * 3
}
