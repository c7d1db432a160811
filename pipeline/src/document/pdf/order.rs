//! Reading order: the segments of a page that belong together, and their order.
//!
//! The page is cut again and again. A cut takes the stretch with most text in which a vertical gutter
//! separates two columns of running text. The parts above it, left of the gutter, right of it and below it
//! are then cut in turn. A part without such a gutter is read line by line. The order in which the file draws
//! its text does not matter, so interleaved columns come out whole.
//!
//! A gutter counts only if both sides look like text. A table is read row by row.

use super::glyph::Rule;
use super::segment::{Frame, Segment};
use super::{
    block::Block,
    cells::cells,
    column_edges::{give_labels, may_label},
    columns::{Columns, column_starts, merged},
};

/// The deepest nesting of cuts. Columns in columns in a box need three or four.
const DEPTH_MAX: usize = 16;
/// A page with more segments is a drawing, and not worth the cost of ordering.
const SEGMENTS_MAX: usize = 5_000;
/// The share of the page at its top, and at its bottom, where running headers and footers stand.
const MARGIN_SHARE: f64 = 0.09;
/// The least gap between them and the body, as a share of their own height.
const MARGIN_GAP: f64 = 0.5;

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

/// The top and the bottom of the page's body. Running headers and footers belong to no column. A gap over the
/// full width separates them from the body.
fn body(frame: &Frame) -> (f64, f64) {
    let height = frame.bottom - frame.top;
    let bands = merged(
        frame.segments.iter().map(|it| (it.top() - 0.2 * it.size, it.bottom() + 0.2 * it.size)).collect(),
    );
    let mut body = (f64::NEG_INFINITY, f64::INFINITY);
    if bands.len() < 2 {
        return body;
    }
    // Lines of the body may reach into the margin. Text that stands there apart from them is no line of theirs.
    let apart = |above: &(f64, f64), below: &(f64, f64), band: &(f64, f64)| {
        below.0 - above.1 > MARGIN_GAP * (band.1 - band.0)
    };
    if let [first, second, ..] = bands.as_slice()
        && first.1 < frame.top + MARGIN_SHARE * height
        && apart(first, second, first)
    {
        body.0 = first.1;
    }
    if let [.., before, last] = bands.as_slice()
        && last.0 > frame.bottom - MARGIN_SHARE * height
        && apart(before, last, last)
    {
        body.1 = last.0;
    }
    body
}

/// The narrowest gutter, as a share of the font's size.
const GUTTER_MIN: f64 = 0.33;

struct Cutter<'f> {
    rules: &'f [Rule],
    body_top: f64,
    body_bottom: f64,
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
        let columns = columns.first_row().without_tails();
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
        let mut sorted = region.to_vec();
        sorted.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
        for start in column_starts(region) {
            for columns in self.stretches(&sorted, start) {
                if best.as_ref().is_some_and(|(most, _)| columns.chars() <= *most) {
                    continue;
                }
                let found = if columns.read_as_columns() { Some(columns) } else { columns.core() };
                if let Some(found) = found
                    && best.as_ref().is_none_or(|(most, _)| found.chars() > *most)
                {
                    best = Some((found.chars(), found));
                }
            }
        }
        best.map(|(_, columns)| columns)
    }

    /// The stretches of the region in which no segment crosses the gutter left of `start`. The region is
    /// sorted by the middle of its segments.
    fn stretches<'s>(&self, region: &[&'s Segment], start: f64) -> Vec<Columns<'s>> {
        let crosses = |segment: &Segment| {
            segment.x0 < start - 0.1
                && segment.x1 > start - GUTTER_MIN * segment.size
                && !may_label(segment, start)
        };
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
                let first = region.partition_point(|segment| middle(segment) <= top);
                let end = region.partition_point(|segment| middle(segment) < bottom);
                let inside = region.get(first..end).unwrap_or_default().iter().copied();
                let (mut left, mut right): (Vec<_>, Vec<_>) =
                    inside.filter(|segment| !crosses(segment)).partition(|segment| segment.x0 < start - 0.1);
                give_labels(&mut left, &mut right);
                Columns::new(left, right)
            })
            .collect()
    }

    /// Rules and filled bands across the gutter, such as rows of a table and lines under a header. Pieces
    /// that touch count as one.
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

fn middle(segment: &Segment) -> f64 {
    f64::midpoint(segment.top(), segment.bottom())
}

#[cfg(test)]
mod layouts;
#[cfg(test)]
mod tests;
