//! The order in which people read shapes: rows and columns, told apart by the gaps between them.

use super::shape::Frame;

/// A slide has tens of shapes. More are only sorted by their upper edges, which costs less.
const SHAPES_MAX: usize = 300;

/// The indexes of the frames in reading order.
pub(in crate::document) fn reading_order(frames: &[Frame]) -> Vec<usize> {
    let mut indexed: Vec<(usize, Frame)> = frames.iter().copied().enumerate().collect();
    sort_by(&mut indexed, |frame| (frame.top, frame.left));
    let mut order = Vec::with_capacity(frames.len());
    if indexed.len() <= SHAPES_MAX {
        cut(indexed, &mut order);
    } else {
        order.extend(indexed.into_iter().map(|(index, _)| index));
    }
    order
}

fn sort_by(frames: &mut [(usize, Frame)], key: impl Fn(&Frame) -> (f64, f64)) {
    frames.sort_by(|(_, a), (_, b)| {
        let (a, b) = (key(a), key(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
}

/// Divides shapes at their widest gap, and each part likewise. Each call handles fewer shapes.
fn cut(frames: Vec<(usize, Frame)>, order: &mut Vec<usize>) {
    let mut rows = frames.clone();
    sort_by(&mut rows, |frame| (frame.top, frame.left));
    let mut columns = frames.clone();
    sort_by(&mut columns, |frame| (frame.left, frame.top));
    let row_gap = widest_gap(&rows, |frame| (frame.top, frame.bottom()));
    let column_gap = widest_gap(&columns, |frame| (frame.left, frame.right()));
    let (mut parts, at) = match (row_gap, column_gap) {
        (Some((_, at)), None) => (rows, at),
        (Some((row, at)), Some((column, _))) if row >= column => (rows, at),
        (_, Some((_, at))) => (columns, at),
        (None, None) => {
            order.extend(frames.into_iter().map(|(index, _)| index));
            return;
        }
    };
    let rest = parts.split_off(at);
    cut(parts, order);
    cut(rest, order);
}

/// The widest gap between sorted shapes, and the index of the first shape behind it.
fn widest_gap(sorted: &[(usize, Frame)], edges: impl Fn(&Frame) -> (f64, f64)) -> Option<(f64, usize)> {
    let mut end = f64::NEG_INFINITY;
    let mut widest: Option<(f64, usize)> = None;
    for (at, (_, frame)) in sorted.iter().enumerate() {
        let (start, own_end) = edges(frame);
        let gap = start - end;
        if at > 0 && gap > 0.0 && widest.is_none_or(|(known, _)| gap > known) {
            widest = Some((gap, at));
        }
        end = end.max(own_end);
    }
    widest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(left: f64, top: f64, width: f64, height: f64) -> Frame {
        Frame { left, top, width, height }
    }

    #[test]
    fn columns_and_rows_are_told_apart() {
        // A heading, then three cards of a number with a text close below it.
        let mut frames = vec![frame(0.0, 0.0, 100.0, 10.0)];
        for column in [0.0, 40.0, 80.0] {
            frames.push(frame(column, 32.0, 20.0, 10.0));
        }
        for column in [0.0, 40.0, 80.0] {
            frames.push(frame(column, 20.0, 20.0, 10.0));
        }
        assert_eq!(reading_order(&frames), [0, 4, 1, 5, 2, 6, 3]);
    }

    #[test]
    fn shapes_on_each_other_keep_their_heights() {
        let frames =
            [frame(0.0, 5.0, 10.0, 10.0), frame(1.0, 0.0, 10.0, 10.0), frame(f64::NAN, 0.0, 0.0, 0.0)];
        assert_eq!(reading_order(&frames).len(), 3);
        assert_eq!(reading_order(&frames[..2]), [1, 0]);
    }
}
