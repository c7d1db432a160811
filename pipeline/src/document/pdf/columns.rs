//! Columns: tells whether two sides of a gutter are running text, and where gutters may stand.

use super::{column_edges::without_tail, prose, segment::Segment};

/// The most left edges that are tried as the start of a column. The most used come first.
const CANDIDATES_MAX: usize = 12;
/// Left edges that differ by less belong to one column.
const EDGE_TOLERANCE_POINTS: f64 = 2.5;

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

    /// Whether the sides are columns of running text, not cells of one table.
    pub(super) fn read_as_columns(&self) -> bool {
        prose::read_as_columns(&self.left, &self.right)
    }

    /// The columns down to the first gap that both share, if the page sets pieces side by side row by row,
    /// such as cards.
    pub(super) fn first_row(self) -> Self {
        let Some(end) = prose::row_end(&self.left, &self.right) else { return self };
        let above = |side: &[&'s Segment]| side.iter().copied().filter(|it| it.baseline < end).collect();
        Self { left: above(&self.left), right: above(&self.right), top: self.top }
    }

    /// The columns without what follows below both: small print that only one side has, apart from its text,
    /// such as the title of a table over the full width.
    pub(super) fn without_tails(self) -> Self {
        let (left, right) = (without_tail(&self.left, &self.right), without_tail(&self.right, &self.left));
        Self { left, right, top: self.top }
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
                && run.read_as_columns()
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
