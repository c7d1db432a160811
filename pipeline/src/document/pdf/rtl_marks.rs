//! Which letter of Hebrew or Arabic carries a mark.

use super::placed::{Kind, Placed};

/// A mark may reach so far over the neighbours of a narrow letter, as a share of its size.
const REACH: f64 = 0.35;
/// A mark that is nearer to one letter than to another by so much says which of them carries it.
const CLEAR: f64 = 0.1;

/// The side on which programs draw the letter of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// The glyphs from left to right, each mark behind its letter.
pub(super) fn in_page_order(drawn: &[Placed]) -> Vec<Placed> {
    let homes = homes(drawn);
    let mut order: Vec<(usize, &Placed)> = homes.into_iter().zip(drawn).collect();
    let start = |at: usize| drawn.get(at).map_or(0.0, |letter| letter.start.x);
    order.sort_by(|(a, one), (b, other)| {
        let is_mark = |it: &Placed| it.kind == Kind::Mark;
        start(*a).total_cmp(&start(*b)).then(a.cmp(b)).then(is_mark(one).cmp(&is_mark(other)))
    });
    order.into_iter().map(|(_, placed)| *placed).collect()
}

/// For each glyph the index of the letter with which it goes: a letter goes with itself.
fn homes(drawn: &[Placed]) -> Vec<usize> {
    let mut homes: Vec<usize> = (0..drawn.len()).collect();
    if drawn.iter().all(|it| it.kind != Kind::Mark) {
        return homes;
    }
    let is_letter = |at: &usize| drawn.get(*at).is_some_and(|it| it.kind != Kind::Mark && !it.is_blank());
    let letters: Vec<usize> = (0..drawn.len()).filter(is_letter).collect();
    let mut by_place = letters.clone();
    let start = |at: usize| drawn.get(at).map_or(0.0, |letter| letter.start.x);
    by_place.sort_by(|a, b| start(*a).total_cmp(&start(*b)));

    let beside = |at: usize| {
        let after = letters.partition_point(|letter| *letter < at);
        let before = after.checked_sub(1).and_then(|before| letters.get(before));
        (before.copied(), letters.get(after).copied())
    };
    let habit = habit(drawn, beside);
    for (at, mark) in drawn.iter().enumerate().filter(|(_, it)| it.kind == Kind::Mark) {
        let (before, after) = beside(at);
        let usual = match habit {
            Some(Side::Before) => before,
            Some(Side::After) => after,
            None => None,
        };
        let usual = usual.filter(|letter| distance(drawn, *letter, mark) < REACH);
        if let (Some(home), Some(letter)) =
            (homes.get_mut(at), usual.or_else(|| nearest(drawn, &by_place, mark)))
        {
            *home = letter;
        }
    }
    homes
}

/// Whether the letters of marks are drawn before them or after them, as the marks show that stand clearly at one letter.
fn habit(drawn: &[Placed], beside: impl Fn(usize) -> (Option<usize>, Option<usize>)) -> Option<Side> {
    /// So many times as many marks have to speak for one side as for the other.
    const MAJORITY: usize = 4;
    let (mut before, mut after) = (0, 0);
    for (at, mark) in drawn.iter().enumerate().filter(|(_, it)| it.kind == Kind::Mark) {
        let (Some(one), Some(next)) = beside(at) else { continue };
        let (one, next) = (distance(drawn, one, mark), distance(drawn, next, mark));
        if one == 0.0 && next > CLEAR {
            before += 1;
        } else if next == 0.0 && one > CLEAR {
            after += 1;
        }
    }
    if before > MAJORITY * after {
        Some(Side::Before)
    } else if after > MAJORITY * before {
        Some(Side::After)
    } else {
        None
    }
}

/// How far the mark stands from the letter along the line, as a share of the size; 0 above or below the letter.
fn distance(drawn: &[Placed], letter: usize, mark: &Placed) -> f64 {
    drawn.get(letter).map_or(f64::INFINITY, |letter| {
        let gap = (letter.start.x - mark.start.x).max(mark.start.x - letter.end_x).max(0.0);
        gap / letter.glyph.size.max(0.01)
    })
}

/// The letter that stands nearest to the mark, wherever it was drawn.
fn nearest(drawn: &[Placed], by_place: &[usize], mark: &Placed) -> Option<usize> {
    const NEIGHBOURS: usize = 2;
    let at =
        by_place.partition_point(|letter| drawn.get(*letter).is_some_and(|it| it.start.x <= mark.start.x));
    by_place
        .iter()
        .skip(at.saturating_sub(NEIGHBOURS))
        .take(2 * NEIGHBOURS)
        .min_by(|a, b| distance(drawn, **a, mark).total_cmp(&distance(drawn, **b, mark)))
        .copied()
}

#[cfg(test)]
mod tests {
    use hayro_interpret::kurbo::{Point, Vec2};

    use super::*;
    use crate::document::pdf::glyph::Glyph;

    const SIZE: f64 = 10.0;

    fn placed(name: u32, kind: Kind, x: f64, width: f64) -> Placed {
        let (start, end) = (Point::new(x, 0.0), Point::new(x + width, 0.0));
        let glyph = Glyph {
            text_start: name,
            text_end: name,
            origin: start,
            end,
            size: SIZE,
            direction: Vec2::new(1.0, 0.0),
            bold: false,
            starts_run: false,
        };
        Placed { glyph, start, end_x: end.x, kind }
    }

    fn letter(name: u32, x: f64) -> Placed {
        placed(name, Kind::RightToLeft, x, 5.0)
    }

    fn mark(name: u32, x: f64) -> Placed {
        placed(name, Kind::Mark, x, 0.0)
    }

    fn order(drawn: &[Placed]) -> Vec<u32> {
        in_page_order(drawn).iter().map(|it| it.glyph.text_start).collect()
    }

    #[test]
    fn marks_drawn_before_their_letters_go_with_them() {
        let drawn = [mark(10, 2.0), letter(1, 0.0), mark(20, 7.0), letter(2, 5.0)];
        assert_eq!(order(&drawn), [1, 10, 2, 20]);
    }

    #[test]
    fn a_mark_beyond_its_narrow_letter_follows_the_habit_of_its_line() {
        let clear = [letter(3, 10.0), mark(30, 12.0), letter(2, 5.0), mark(20, 7.0)];
        let beyond = [letter(1, 0.0), mark(10, 5.5)];
        assert_eq!(order(&[&clear[..], &beyond].concat()), [1, 10, 2, 20, 3, 30]);
    }

    #[test]
    fn marks_drawn_apart_from_all_letters_go_to_the_nearest() {
        let drawn = [letter(1, 0.0), letter(2, 5.0), letter(3, 10.0), mark(10, 2.0), mark(20, 7.0)];
        assert_eq!(order(&drawn), [1, 10, 2, 20, 3]);
    }

    #[test]
    fn a_mark_without_a_letter_stays() {
        assert_eq!(order(&[mark(10, 2.0)]), [10]);
    }
}
