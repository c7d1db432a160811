//! A quote as people read it.

use crate::visible_text::visible;

const SOFT_HYPHEN: char = '\u{ad}';

/// A text for people in one line: white space collapsed, soft hyphens and invisible characters left out, and a
/// word that a line's end divides put together.
pub(crate) fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    let mut space = false;
    let mut broken_hyphen = false;
    for c in visible(text).chars().filter(|c| *c != SOFT_HYPHEN) {
        if c.is_whitespace() {
            // `non-⏎alcoholic` is one word: its hyphen stays, the break goes.
            broken_hyphen |= c == '\n' && !space && ends_in_hyphen(&collapsed);
            space = true;
            continue;
        }
        if space && !collapsed.is_empty() && !(broken_hyphen && c.is_alphanumeric()) {
            collapsed.push(' ');
        }
        collapsed.push(c);
        space = false;
        broken_hyphen = false;
    }
    collapsed
}

/// Whether the text ends in a hyphen that belongs to a word.
fn ends_in_hyphen(text: &str) -> bool {
    let mut last = text.chars().rev();
    matches!(last.next(), Some('-' | '\u{2010}')) && last.next().is_some_and(char::is_alphanumeric)
}
