//! Narrow gutters: where the lines of two columns come so near to each other that they look like one.

use super::segment::{Hole, Segment};

/// So many segments start at the left edge of a column.
const STARTS_MIN: usize = 5;
/// Left edges of one column differ by less.
const EDGE_POINTS: f64 = 0.7;

/// Splits segments in gaps that end where other segments start. Pieces that no column takes join again in
/// their line.
pub(super) fn split(segments: &mut Vec<Segment>) {
    if segments.iter().all(|segment| segment.holes.is_empty()) {
        return;
    }
    let edges = edges(segments);
    let at_edge = |hole: &Hole| {
        let at = edges.partition_point(|edge| *edge < hole.x1 - EDGE_POINTS);
        edges.get(at).is_some_and(|edge| *edge < hole.x1 + EDGE_POINTS)
    };
    if !segments.iter().any(|segment| segment.holes.iter().any(at_edge)) {
        return;
    }
    let mut pieces = Vec::with_capacity(segments.len() + 16);
    for mut segment in segments.drain(..) {
        // From the right, so that the places of the gaps before stay right.
        let mut behind = Vec::new();
        while let Some(index) = segment.holes.iter().rposition(at_edge) {
            match split_at(&mut segment, index) {
                Some(right) => behind.push(right),
                None => break,
            }
        }
        pieces.push(segment);
        pieces.extend(behind.into_iter().rev());
    }
    *segments = pieces;
}

/// The places at which several segments start, from left to right.
fn edges(segments: &[Segment]) -> Vec<f64> {
    let mut starts: Vec<f64> = segments.iter().map(|segment| segment.x0).collect();
    starts.sort_by(f64::total_cmp);
    let runs = starts.chunk_by(|one, next| next - one < EDGE_POINTS);
    runs.filter(|run| run.len() >= STARTS_MIN).filter_map(|run| run.get(run.len() / 2).copied()).collect()
}

/// Cuts the segment in a gap, and returns the piece to the right of it.
fn split_at(segment: &mut Segment, index: usize) -> Option<Segment> {
    let hole = *segment.holes.get(index)?;
    let mut right = segment.clone();
    let start = hole.at + usize::from(hole.is_blank);
    right.text = segment.text.get(start..)?.to_owned();
    segment.text.truncate(hole.at);
    right.holes = segment.holes.split_off(index).split_off(1);
    for later in &mut right.holes {
        later.at = later.at.saturating_sub(start);
    }
    (right.x0, segment.x1) = (hole.x1, hole.x0);
    right.starts_run = true;
    segment.blank_after = hole.is_blank;
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_meet_in_a_gutter_part() {
        let start = |row: u32| Segment {
            text: "and its own column".to_owned(),
            x0: 200.0,
            x1: 290.0,
            baseline: 12.0 * f64::from(row),
            size: 10.0,
            ..Segment::default()
        };
        let mut segments: Vec<Segment> = (0..6).map(start).collect();
        segments.push(Segment {
            text: "a line that reaches the gutter and its own column".to_owned(),
            x0: 50.0,
            x1: 290.0,
            baseline: 90.0,
            size: 10.0,
            holes: vec![Hole { x0: 194.0, x1: 200.0, at: 30, is_blank: true }],
            ..Segment::default()
        });
        split(&mut segments);
        let texts: Vec<&str> = segments.iter().skip(6).map(|segment| segment.text.as_str()).collect();
        assert_eq!(texts, ["a line that reaches the gutter", "and its own column"]);
        assert_eq!((segments[6].x1, segments[7].x0), (194.0, 200.0));
    }
}
