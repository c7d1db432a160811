//! Selectors: which elements a rule of style is for. A selector that depends on what a reader does, or on anything else that a
//! stored page does not show, is for none.

use super::{compound::Compound, reader::Reader};
use crate::document::html::page::Page;

/// So far up an ancestor, or back a sibling, is looked for.
const STEPS_MAX: usize = 64;
/// A selector of more parts is no selector.
const PARTS_MAX: usize = 16;

/// How a part of a selector and the part before it belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// `a b`
    Within,
    /// `a > b`
    Child,
    /// `a + b`
    Next,
    /// `a ~ b`
    Later,
}

#[derive(Debug)]
pub(super) struct Selector {
    innermost: Compound,
    /// The parts from the innermost outwards, each with its link to the one further inside.
    around: Vec<(Link, Compound)>,
    /// So many comparisons it stands for, with its alternatives.
    weight: usize,
}

impl Selector {
    /// Reads a selector, or nothing if it is not known here.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut reader = Reader::new(text);
        let mut innermost = Compound::read(&mut reader)?;
        let mut around = Vec::new();
        while let Some(link) = link(&mut reader) {
            if around.len() == PARTS_MAX {
                return None;
            }
            let outer = std::mem::replace(&mut innermost, Compound::read(&mut reader)?);
            around.push((link, outer));
        }
        around.reverse();
        let weight = around.iter().map(|(_, part)| part.weight()).sum::<usize>() + innermost.weight();
        reader.is_at_end().then_some(Self { innermost, around, weight })
    }

    /// The id, the class or else the element of its innermost part. Rules are found by it.
    pub(super) fn key(&self) -> String {
        self.innermost.key()
    }

    /// How many ids, classes and names it has, as a rank: a greater one wins.
    pub(super) fn rank(&self) -> u64 {
        let parts = self.around.iter().map(|(_, part)| part).chain([&self.innermost]);
        let (ids, classes, names) = parts
            .map(Compound::specificity)
            .fold((0, 0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1, sum.2 + part.2));
        (ids.min(255) << 40) | (classes.min(255) << 32) | (names.min(255) << 24)
    }

    /// Whether it is for an element. Each comparison counts.
    pub(super) fn is_for(&self, page: &Page, element: usize, comparisons: &mut usize) -> bool {
        *comparisons += self.weight;
        self.innermost.is(page, element) && stands(page, element, &self.around, comparisons)
    }
}

/// Whether an element stands where the parts around it say.
fn stands(page: &Page, element: usize, around: &[(Link, Compound)], comparisons: &mut usize) -> bool {
    let Some(((link, part), rest)) = around.split_first() else { return true };
    let mut at = element;
    for _ in 0..STEPS_MAX {
        let next = match link {
            Link::Within | Link::Child => Some(page.parent(at)).filter(|parent| *parent != at),
            Link::Next | Link::Later => page.elder(at),
        };
        let Some(next) = next else { return false };
        at = next;
        *comparisons += 1;
        if part.is(page, at) {
            if stands(page, at, rest, comparisons) {
                return true;
            }
            // Ancestors further out have no ancestors that this one lacks.
            if rest.first().is_none_or(|(link, _)| *link == Link::Within) {
                return false;
            }
        }
        if matches!(link, Link::Child | Link::Next) {
            return false;
        }
    }
    false
}

fn link(reader: &mut Reader<'_>) -> Option<Link> {
    let has_blank = reader.skip_blanks();
    let link = match reader.peek()? {
        '>' => Link::Child,
        '+' => Link::Next,
        '~' => Link::Later,
        _ => return has_blank.then_some(Link::Within),
    };
    reader.next();
    reader.skip_blanks();
    Some(link)
}
