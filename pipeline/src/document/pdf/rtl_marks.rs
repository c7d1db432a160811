//! Finds the letter of Hebrew or Arabic that carries a mark.

use super::placed::{Kind, Placed};

/// A mark may reach so far over the neighbours of a narrow letter, as a share of its size.
const REACH: f64 = 0.35;
/// A mark that is nearer to one letter than to another by so much says which of them carries it.
const CLEAR: f64 = 0.1;

/// A glyph with its number in the order of drawing.
type Drawn<'d> = (usize, &'d Placed);

/// A mark, and the letters that are drawn next before it and next after it.
struct Mark<'d> {
    drawn: Drawn<'d>,
    before: Option<Drawn<'d>>,
    after: Option<Drawn<'d>>,
}

/// The glyphs from left to right, each mark behind its letter.
pub(super) fn in_page_order(drawn: &[Placed]) -> Vec<Placed> {
    // A letter goes with itself.
    let mut homes: Vec<Drawn<'_>> = drawn.iter().enumerate().collect();
    for ((at, _), letter) in carriers(drawn) {
        if let Some(home) = homes.get_mut(at) {
            *home = letter;
        }
    }
    let mut order: Vec<(Drawn<'_>, &Placed)> = homes.into_iter().zip(drawn).collect();
    order.sort_by(|((a, one), glyph), ((b, other), next)| {
        let is_mark = |it: &Placed| it.kind == Kind::Mark;
        one.start.x.total_cmp(&other.start.x).then(a.cmp(b)).then(is_mark(glyph).cmp(&is_mark(next)))
    });
    order.into_iter().map(|(_, placed)| *placed).collect()
}

/// The marks, each with the letter that carries it.
fn carriers(drawn: &[Placed]) -> Vec<(Drawn<'_>, Drawn<'_>)> {
    let marks = marks(drawn);
    if marks.is_empty() {
        return Vec::new();
    }
    let mut by_place: Vec<Drawn<'_>> = letters(drawn).collect();
    by_place.sort_by(|(_, a), (_, b)| a.start.x.total_cmp(&b.start.x));
    let usual = habit(&marks);
    marks
        .iter()
        .filter_map(|mark| {
            let (_, placed) = mark.drawn;
            let letter = usual(mark).filter(|(_, letter)| distance(letter, placed) < REACH);
            Some((mark.drawn, letter.or_else(|| nearest(&by_place, placed))?))
        })
        .collect()
}

fn letters(drawn: &[Placed]) -> impl Iterator<Item = Drawn<'_>> {
    drawn.iter().enumerate().filter(|(_, it)| it.kind != Kind::Mark && !it.is_blank())
}

fn marks(drawn: &[Placed]) -> Vec<Mark<'_>> {
    let mut letters = letters(drawn).peekable();
    let mut before = None;
    let mut marks = Vec::new();
    for (at, placed) in drawn.iter().enumerate().filter(|(_, it)| it.kind == Kind::Mark) {
        while let Some(letter) = letters.next_if(|(letter, _)| *letter < at) {
            before = Some(letter);
        }
        marks.push(Mark { drawn: (at, placed), before, after: letters.peek().copied() });
    }
    marks
}

/// Which of its neighbours carries a mark, as the marks show that stand clearly at one letter: programs draw all letters before
/// their marks, or all of them after.
fn habit(marks: &[Mark<'_>]) -> for<'d> fn(&Mark<'d>) -> Option<Drawn<'d>> {
    /// So many times as many marks have to speak for one side as for the other.
    const MAJORITY: usize = 4;
    let (mut before, mut after) = (0, 0);
    for mark in marks {
        let (Some((_, one)), Some((_, next))) = (mark.before, mark.after) else { continue };
        let (one, next) = (distance(one, mark.drawn.1), distance(next, mark.drawn.1));
        if one == 0.0 && next > CLEAR {
            before += 1;
        } else if next == 0.0 && one > CLEAR {
            after += 1;
        }
    }
    if before > MAJORITY * after {
        |mark| mark.before
    } else if after > MAJORITY * before {
        |mark| mark.after
    } else {
        |_| None
    }
}

/// How far the mark stands from the letter along the line, as a share of the size; 0 above or below the letter.
fn distance(letter: &Placed, mark: &Placed) -> f64 {
    let gap = (letter.start.x - mark.start.x).max(mark.start.x - letter.end_x).max(0.0);
    gap / letter.glyph.size.max(0.01)
}

/// The letter that stands nearest to the mark, wherever it was drawn.
fn nearest<'d>(by_place: &[Drawn<'d>], mark: &Placed) -> Option<Drawn<'d>> {
    const NEIGHBOURS: usize = 2;
    let at = by_place.partition_point(|(_, letter)| letter.start.x <= mark.start.x);
    by_place
        .iter()
        .skip(at.saturating_sub(NEIGHBOURS))
        .take(2 * NEIGHBOURS)
        .min_by(|(_, a), (_, b)| distance(a, mark).total_cmp(&distance(b, mark)))
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
