//! Descriptions of pictures.

use super::page::Page;

/// The description of a picture where it says more than a name, and whether it stands in a figure. `open` are the elements
/// around it.
pub(super) fn description<'p>(page: &'p Page, open: &[usize], picture: usize) -> Option<(&'p str, bool)> {
    const FIGURE_WITHIN: usize = 4;
    const WORDS_MIN: usize = 3;
    let alt = page.attribute(picture, "alt")?.trim();
    let in_figure = open.iter().rev().take(FIGURE_WITHIN).any(|open| page.name(*open) == "figure");
    let says_more = in_figure || alt.split_whitespace().count() >= WORDS_MIN;
    (says_more && alt.contains(char::is_alphabetic)).then_some((alt, in_figure))
}
