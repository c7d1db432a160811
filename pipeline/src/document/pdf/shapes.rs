//! The boxes in a path.

use hayro_interpret::kurbo::{BezPath, PathEl, Point, Rect};

/// The most boxes of one path that are told apart.
const BOXES_MAX: usize = 16;
/// A box has a start, up to four lines, and an end.
const ELEMENTS_PER_BOX: usize = 6;

/// The bounds of a path, and whether it is an upright box. The control points of curves count.
pub(super) fn bounds_of(path: &BezPath) -> (Rect, bool) {
    (path.control_box(), path.elements().len() <= ELEMENTS_PER_BOX && box_of(path.elements()).is_some())
}

/// The upright boxes of a path that is nothing else, such as the bars of a text that was blacked out. Boxes
/// that overlap may leave a hole, so they are not told apart.
pub(super) fn boxes_of(path: &BezPath) -> Vec<Rect> {
    let elements = path.elements();
    if elements.len() > BOXES_MAX * ELEMENTS_PER_BOX {
        return Vec::new();
    }
    let starts = elements.iter().enumerate().filter(|(_, element)| matches!(element, PathEl::MoveTo(_)));
    let mut starts: Vec<usize> = starts.map(|(index, _)| index).collect();
    starts.push(elements.len());
    let mut boxes: Vec<Rect> = Vec::new();
    for pair in starts.windows(2) {
        let [start, end] = pair else { continue };
        let part = elements.get(*start..*end).unwrap_or_default();
        // A lone point may follow the last box.
        if part.len() == 1 {
            continue;
        }
        match box_of(part) {
            Some(found) if boxes.iter().all(|other| other.intersect(found).area() <= 0.0) => {
                boxes.push(found)
            }
            _ => return Vec::new(),
        }
    }
    boxes
}

fn box_of(elements: &[PathEl]) -> Option<Rect> {
    let point = |element: &PathEl| match element {
        PathEl::MoveTo(point) | PathEl::LineTo(point) => Some(Some(*point)),
        PathEl::ClosePath => Some(None),
        PathEl::QuadTo(..) | PathEl::CurveTo(..) => None,
    };
    let points: Vec<Point> =
        elements.iter().map(point).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
    let first = points.first()?;
    let bounds =
        points.iter().fold(Rect::from_points(*first, *first), |bounds, point| bounds.union_pt(*point));
    let on = |value: f64, low: f64, high: f64| (value - low).abs() < 0.01 || (value - high).abs() < 0.01;
    let are_corners =
        points.iter().all(|point| on(point.x, bounds.x0, bounds.x1) && on(point.y, bounds.y0, bounds.y1));
    (points.len() >= 4 && are_corners).then_some(bounds)
}

#[cfg(test)]
mod tests {
    use hayro_interpret::kurbo::Shape;

    use super::*;

    fn path(boxes: &[(f64, f64, f64, f64)]) -> BezPath {
        let mut path = BezPath::new();
        for (x0, y0, x1, y1) in boxes {
            path.extend(Rect::new(*x0, *y0, *x1, *y1).path_elements(0.1));
        }
        path
    }

    #[test]
    fn boxes_are_told_apart() {
        assert!(bounds_of(&path(&[(0.0, 0.0, 9.0, 9.0)])).1);
        assert_eq!(boxes_of(&path(&[(0.0, 0.0, 9.0, 9.0), (20.0, 0.0, 29.0, 9.0)])).len(), 2);
        assert!(boxes_of(&path(&[(0.0, 0.0, 9.0, 9.0), (2.0, 2.0, 7.0, 7.0)])).is_empty(), "a frame");
        let mut triangle = BezPath::new();
        triangle.move_to((0.0, 0.0));
        triangle.line_to((9.0, 0.0));
        triangle.line_to((0.0, 9.0));
        triangle.close_path();
        assert!(!bounds_of(&triangle).1 && boxes_of(&triangle).is_empty());
    }
}
