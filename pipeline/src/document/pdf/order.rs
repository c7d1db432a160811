//! Reading order: which segments of a page belong together, and in which order they are read.
//!
//! A recursive cut: the tallest stretch of the page in which a vertical gutter separates two columns of
//! running text is read as what stands above it, the left side, the right side, and what stands below it;
//! each of those is cut again. Whatever has no such gutter is read line by line. The order in which the
//! file draws its text does not matter, so columns that a file interleaves come out whole.
//!
//! A gutter counts only if both sides read like text and not like the cells of a table: a table is read
//! row by row.

use super::glyph::Rule;
use super::lines::{self, Line};
use super::segment::{Frame, SEGMENT_GAP, Segment};

/// Nested cuts of a page: columns in columns in a box are three or four.
const DEPTH_MAX: usize = 16;
/// A page with more segments is a drawing; ordering it would cost more than it tells.
const SEGMENTS_MAX: usize = 5_000;
/// How many left edges are tried as the start of a column, the most used first.
const CANDIDATES_MAX: usize = 12;
/// The part of the page at its top and bottom where running headers and footers stand.
const MARGIN_SHARE: f64 = 0.09;

/// A part of the page that is read in one go.
#[derive(Debug)]
pub(super) enum Block<'s> {
    /// Read line by line.
    Lines(Vec<&'s Segment>),
    /// A row of a table: its cells, each read line by line, one after the other.
    Row(Vec<Vec<&'s Segment>>),
}

impl<'s> Block<'s> {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Lines(segments) => lines::write(segments, &mut text),
            Self::Row(cells) => {
                for cell in cells {
                    if !text.is_empty() {
                        text.push(' ');
                    }
                    let cell: Vec<String> = lines::lines(cell).iter().map(Line::text).collect();
                    text.push_str(&cell.join("\n"));
                }
            }
        }
        text
    }

    /// Whether this block goes on with the table in which `last` is a row.
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

/// The page's blocks in reading order.
pub(super) fn blocks(frame: &Frame) -> Vec<Block<'_>> {
    let all: Vec<&Segment> = frame.segments.iter().collect();
    if all.len() > SEGMENTS_MAX {
        return vec![Block::Lines(all)];
    }
    let (body_top, body_bottom) = body(frame);
    let cutter = Cutter { rules: &frame.rules, body_top, body_bottom };
    let mut blocks = Vec::new();
    cutter.cut(all, 0, &mut blocks);
    blocks
}

/// Where the page's body begins and ends: running headers and footers belong to no column. They stand in the
/// page's margin, apart from the body by a gap over the full width.
fn body(frame: &Frame) -> (f64, f64) {
    let height = frame.bottom - frame.top;
    let bands = merged(
        frame.segments.iter().map(|it| (it.top() - 0.2 * it.size, it.bottom() + 0.2 * it.size)).collect(),
    );
    let mut body = (f64::NEG_INFINITY, f64::INFINITY);
    if bands.len() < 2 {
        return body;
    }
    if let Some((_, bottom)) = bands.first().filter(|(_, bottom)| *bottom < frame.top + MARGIN_SHARE * height)
    {
        body.0 = *bottom;
    }
    if let Some((top, _)) = bands.last().filter(|(top, _)| *top > frame.bottom - MARGIN_SHARE * height) {
        body.1 = *top;
    }
    body
}

struct Cutter<'f> {
    rules: &'f [Rule],
    body_top: f64,
    body_bottom: f64,
}

/// Two columns side by side.
struct Columns<'s> {
    left: Vec<&'s Segment>,
    right: Vec<&'s Segment>,
    top: f64,
}

impl<'s> Columns<'s> {
    fn new(left: Vec<&'s Segment>, right: Vec<&'s Segment>) -> Option<Self> {
        let top = left.iter().chain(&right).map(|segment| segment.baseline).reduce(f64::min)?;
        (!left.is_empty() && !right.is_empty()).then_some(Self { left, right, top })
    }

    fn chars(&self) -> usize {
        self.left.iter().chain(&self.right).map(|segment| segment.text.len()).sum()
    }

    /// The largest part of the stretch that reads as columns, when the whole does not: a table of contents above
    /// two columns has its page numbers right of their gutter.
    fn core(&self) -> Option<Self> {
        /// Both sides of a band of prose have segments of some length.
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

impl Cutter<'_> {
    fn cut<'s>(&self, region: Vec<&'s Segment>, depth: usize, blocks: &mut Vec<Block<'s>>) {
        if region.is_empty() {
            return;
        }
        let columns = if depth < DEPTH_MAX { self.columns(&region) } else { None };
        let Some(columns) = columns else {
            cells(&region, blocks);
            return;
        };
        let taken: std::collections::HashSet<*const Segment> =
            columns.left.iter().chain(&columns.right).map(|segment| std::ptr::from_ref(*segment)).collect();
        let (above, below): (Vec<_>, Vec<_>) = region
            .into_iter()
            .filter(|segment| !taken.contains(&std::ptr::from_ref(*segment)))
            .partition(|segment| segment.baseline < columns.top);
        self.cut(above, depth + 1, blocks);
        self.cut(columns.left, depth + 1, blocks);
        self.cut(columns.right, depth + 1, blocks);
        self.cut(below, depth + 1, blocks);
    }

    /// The stretch of the region that holds the most text in two columns.
    fn columns<'s>(&self, region: &[&'s Segment]) -> Option<Columns<'s>> {
        let mut best: Option<(usize, Columns<'s>)> = None;
        for start in column_starts(region) {
            for columns in self.stretches(region, start) {
                if best.as_ref().is_some_and(|(most, _)| columns.chars() <= *most) {
                    continue;
                }
                let found = if read_as_columns(&columns) { Some(columns) } else { columns.core() };
                if let Some(found) = found
                    && best.as_ref().is_none_or(|(most, _)| found.chars() > *most)
                {
                    best = Some((found.chars(), found));
                }
            }
        }
        best.map(|(_, columns)| columns)
    }

    /// The stretches of the region in which nothing crosses the gutter left of `start`.
    fn stretches<'s>(&self, region: &[&'s Segment], start: f64) -> Vec<Columns<'s>> {
        let crosses =
            |segment: &Segment| segment.x0 < start - 0.1 && segment.x1 > start - SEGMENT_GAP * segment.size;
        let mut walls: Vec<(f64, f64)> = region
            .iter()
            .filter(|segment| crosses(segment))
            .map(|segment| (segment.top(), segment.bottom()))
            .collect();
        walls.extend(self.ruled_walls(start));
        walls.push((f64::NEG_INFINITY, self.body_top));
        walls.push((self.body_bottom, f64::INFINITY));
        let walls = merged(walls);
        walls
            .windows(2)
            .filter_map(|pair| match pair {
                [(_, above), (below, _)] => Some((*above, *below)),
                _ => None,
            })
            .filter_map(|(top, bottom)| {
                let inside = region.iter().copied().filter(|segment| {
                    let middle = (segment.top() + segment.bottom()) / 2.0;
                    middle > top && middle < bottom && !crosses(segment)
                });
                let (left, right): (Vec<_>, Vec<_>) = inside.partition(|segment| segment.x0 < start - 0.1);
                Columns::new(left, right)
            })
            .collect()
    }

    /// Rules and filled bands that run across the gutter: rows of a table, lines under a header.
    /// Pieces that touch, as the borders of cells do, count as one.
    fn ruled_walls(&self, start: f64) -> Vec<(f64, f64)> {
        const GUTTER_REACH: f64 = 10.0;
        let mut walls: Vec<(f64, f64)> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.x0 < start && rule.x1 > start - GUTTER_REACH) {
            let level = |other: &&Rule| {
                (other.top - rule.top).abs() < 1.0 && (other.bottom - rule.bottom).abs() < 1.0
            };
            let mut reach = (rule.x0, rule.x1);
            for piece in self.rules.iter().filter(level) {
                if piece.x0 <= reach.1 + 1.0 && piece.x1 >= reach.0 - 1.0 {
                    reach = (reach.0.min(piece.x0), reach.1.max(piece.x1));
                }
            }
            if reach.0 < start - 2.0 * GUTTER_REACH && reach.1 > start + GUTTER_REACH {
                walls.push((rule.top, rule.bottom));
            }
        }
        walls
    }
}

/// Overlapping intervals joined, in order.
fn merged(mut intervals: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
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
fn column_starts(region: &[&Segment]) -> Vec<f64> {
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
    // From left to right, so that of three columns the first is cut off first.
    clusters.sort_by(|a, b| a.0.total_cmp(&b.0));
    clusters.into_iter().map(|(start, _)| start).collect()
}

/// What one side of a gutter looks like.
struct Side<'s> {
    lines: Vec<Line<'s>>,
    leading: Option<f64>,
    mean_chars: f64,
    /// The mean length of its lines over the longest.
    fill: f64,
    /// The baselines at which a paragraph, or a row of a table, starts.
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
fn read_as_columns(columns: &Columns<'_>) -> bool {
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
    // Level lines: columns on a common grid, or rows. Prose fills its column and needs no space between lines.
    few.lines.len() >= 4
        && few.leading.is_some()
        && few.mean_chars >= PROSE_CHARS_MIN
        && many.mean_chars >= PROSE_CHARS_MIN
        && few.fill >= PROSE_FILL_MIN
        && many.fill >= PROSE_FILL_MIN
}

/// The share of the one side's lines that have a line of the other at their level.
fn level_share(few: &Side<'_>, many: &Side<'_>) -> f64 {
    let level = few.lines.iter().filter(|line| {
        many.lines.iter().any(|other| (other.baseline - line.baseline).abs() < 0.15 * line.size)
    });
    level.count() as f64 / few.lines.len().max(1) as f64
}

/// Whether both sides have gaps at the same levels: then they are rows with cells of several lines.
fn rows_start_together(left: &Side<'_>, right: &Side<'_>) -> bool {
    let together = left
        .starts
        .iter()
        .filter(|start| right.starts.iter().any(|other| (*start - other).abs() < 2.0))
        .count();
    let most = left.starts.len().max(right.starts.len());
    together >= 2 && together * 4 >= most * 3
}

/// Splits a region that is read line by line at groups of cells with several lines each (figures with their captions
/// side by side, rows of a table whose text wraps): within such a group every cell is read whole.
fn cells<'s>(region: &[&'s Segment], blocks: &mut Vec<Block<'s>>) {
    let lines = lines::lines(region);
    let mut plain: Vec<&'s Segment> = Vec::new();
    let mut rest = lines.as_slice();
    while !rest.is_empty() {
        let (group, after) = rest.split_at(tight_lines(rest));
        match split_cells(group) {
            Some(cells) => {
                if !plain.is_empty() {
                    blocks.push(Block::Lines(std::mem::take(&mut plain)));
                }
                blocks.extend(cells);
            }
            None => plain.extend(group.iter().flat_map(|line| line.segments.iter().copied())),
        }
        rest = after;
    }
    if !plain.is_empty() {
        blocks.push(Block::Lines(plain));
    }
}

/// How many of the lines stand as close as the lines of one paragraph; at least one.
fn tight_lines(lines: &[Line<'_>]) -> usize {
    const TIGHT: f64 = 1.45;
    let loose = lines.windows(2).position(|pair| match pair {
        [one, next] => next.baseline - one.baseline > TIGHT * one.size.min(next.size),
        _ => true,
    });
    loose.map_or(lines.len(), |index| index + 1)
}

/// The cells of a group of lines, if it is one row of cells in which text wraps.
fn split_cells<'s>(group: &[Line<'s>]) -> Option<Vec<Block<'s>>> {
    const LINES_MAX: usize = 8;
    const ROW_LINES_MAX: usize = 3;
    const CELL_GAP: f64 = 1.0;
    if !(2..=LINES_MAX).contains(&group.len()) {
        return None;
    }
    let mut segments: Vec<&'s Segment> =
        group.iter().flat_map(|line| line.segments.iter().copied()).collect();
    segments.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    let mut cells: Vec<(f64, Vec<&'s Segment>)> = Vec::new();
    for segment in segments {
        match cells.last_mut() {
            Some((x1, cell)) if segment.x0 < *x1 + CELL_GAP * segment.size => {
                *x1 = x1.max(segment.x1);
                cell.push(segment);
            }
            _ => cells.push((segment.x1, vec![segment])),
        }
    }
    let cells: Vec<Vec<&'s Segment>> = cells.into_iter().map(|(_, cell)| cell).collect();
    if cells.len() < 2 {
        return None;
    }
    // A row: its first line has every cell, the others only those whose text wraps.
    let (first, others) = group.split_first()?;
    let fewer = others.iter().all(|line| line.segments.len() < cells.len());
    if first.segments.len() >= cells.len() && fewer {
        return Some(vec![Block::Row(cells)]);
    }
    // Texts side by side: each of several lines, each of words. Three or more short ones are a full row.
    let texts = cells.iter().all(|cell| cell.len() >= 2 && is_wordy(cell));
    if texts && cells.len() >= 3 && group.len() <= ROW_LINES_MAX {
        return Some(vec![Block::Row(cells)]);
    }
    texts.then(|| cells.into_iter().map(Block::Lines).collect())
}

fn is_wordy(cell: &[&Segment]) -> bool {
    let words: usize = cell.iter().map(|segment| segment.text.split_whitespace().count()).sum();
    let letters = cell.iter().any(|segment| segment.text.chars().any(char::is_alphabetic));
    letters && words * 2 >= cell.len() * 3
}

#[cfg(test)]
mod tests;
