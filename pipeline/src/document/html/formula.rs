//! Formulas in MathML, in one line.

use super::page::Page;

/// The sign before a part of a formula. MathML writes a power and a fraction by place alone.
pub(super) fn sign(page: &Page, index: usize) -> Option<char> {
    let parent = page.parent(index);
    let sign = match (page.name(parent), page.name(index)) {
        ("msup" | "msubsup", _) => '^',
        ("mfrac", _) => '/',
        (_, "msqrt") => return Some('√'),
        _ => return None,
    };
    let is_first = page.children(parent).find(|child| page.text(*child).is_none()) == Some(index);
    (!is_first).then_some(sign)
}
