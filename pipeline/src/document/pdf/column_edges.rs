//! The edges of columns: bullets in the gutter, and small print below.

use super::{
    lines::{self, Line},
    segment::Segment,
};

/// A page with more is a table, and not worth the cost of comparing.
const LABELS_MAX: usize = 60;
/// A longer text is no bullet and no number of a list.
const LABEL_BYTES_MAX: usize = 5;
/// A label stands nearer to its text than this, as a share of the size.
const LABEL_REACH: f64 = 3.0;

/// Whether a segment may be the label of a text that starts here. It is no wall between the columns.
pub(super) fn may_label(segment: &Segment, start: f64) -> bool {
    segment.text.len() <= LABEL_BYTES_MAX
        && segment.x0 > start - LABEL_REACH * segment.size
        && segment.x1 < start + 0.5 * segment.size
}

/// Moves labels in the gutter, such as bullets, from the left column to the right one, if their text is
/// there.
pub(super) fn give_labels<'s>(left: &mut Vec<&'s Segment>, right: &mut Vec<&'s Segment>) {
    let edge = right.iter().map(|segment| segment.x0).fold(f64::INFINITY, f64::min);
    let may_be_label = |segment: &Segment| {
        segment.text.len() <= LABEL_BYTES_MAX && segment.x1 > edge - LABEL_REACH * segment.size
    };
    let count = left.iter().filter(|segment| may_be_label(segment)).count();
    if !(1..=LABELS_MAX).contains(&count) {
        return;
    }
    let level = |one: &Segment, other: &Segment| (one.baseline - other.baseline).abs() < 0.4 * one.size;
    let is_label = |label: &Segment| {
        let gap_after = right
            .iter()
            .filter(|segment| level(label, segment))
            .map(|segment| segment.x0 - label.x1)
            .fold(f64::INFINITY, f64::min);
        let gap_before = left
            .iter()
            .filter(|segment| level(label, segment) && segment.x1 <= label.x0)
            .map(|segment| label.x0 - segment.x1)
            .fold(f64::INFINITY, f64::min);
        gap_after < LABEL_REACH * label.size && gap_after < gap_before
    };
    let (labels, texts): (Vec<&'s Segment>, Vec<&'s Segment>) =
        left.iter().partition(|segment| may_be_label(segment) && is_label(segment));
    // A column that would lose all its text was a column of labels.
    if !texts.is_empty() && labels.len() * 2 <= texts.len() {
        *left = texts;
        right.extend(labels);
    }
}

/// A side without the lines at its end that are below the other side, apart from their own, and in another
/// size.
pub(super) fn without_tail<'s>(side: &[&'s Segment], other: &[&'s Segment]) -> Vec<&'s Segment> {
    const APART: f64 = 1.5;
    let lines = lines::lines(side);
    let bottom = other.iter().map(|segment| segment.baseline).fold(f64::NEG_INFINITY, f64::max);
    let mut sizes: Vec<f64> = lines.iter().map(|line| line.size).collect();
    sizes.sort_by(f64::total_cmp);
    let usual = sizes.get(sizes.len() / 2).copied().unwrap_or_default();
    let differs =
        |line: &Line<'_>| (line.size - usual).abs() > 0.1 * usual && line.baseline > bottom + 0.5 * usual;
    let kept = lines.len() - lines.iter().rev().take_while(|line| differs(line)).count();
    let (Some(last), Some(tail)) = (kept.checked_sub(1).and_then(|last| lines.get(last)), lines.get(kept))
    else {
        return side.to_vec();
    };
    if tail.baseline - last.baseline < APART * usual {
        return side.to_vec();
    }
    side.iter()
        .copied()
        .filter(|segment| segment.baseline < f64::midpoint(last.baseline, tail.baseline))
        .collect()
}
