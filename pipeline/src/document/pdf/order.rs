//! Reading order: the segments of a page that belong together, and their order.
//!
//! The page is cut again and again. A cut takes the stretch with most text in which a vertical gutter
//! separates two columns of running text. The parts above it, left of the gutter, right of it and below it
//! are then cut in turn. A part without such a gutter is read line by line. The order in which the file draws
//! its text does not matter, so interleaved columns come out whole.
//!
//! A gutter counts only if both sides look like text. A table is read row by row.

use super::glyph::Rule;
use super::segment::{Frame, SEGMENT_GAP, Segment};
use super::{
    block::Block,
    cells::cells,
    columns::{Columns, column_starts, merged, read_as_columns},
};

/// The deepest nesting of cuts. Columns in columns in a box need three or four.
const DEPTH_MAX: usize = 16;
/// A page with more segments is a drawing, and not worth the cost of ordering.
const SEGMENTS_MAX: usize = 5_000;
/// The share of the page at its top, and at its bottom, where running headers and footers stand.
const MARGIN_SHARE: f64 = 0.09;

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

    /// The stretches of the region in which no segment crosses the gutter left of `start`.
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

#[cfg(test)]
mod tests;
