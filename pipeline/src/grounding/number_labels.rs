//! Labels: digits that belong to a name, a list or a citation, and count nothing.

use super::{number_tokens::Token, number_words::is_small};

/// Words for parts of a document and of an answer. A number of them counts the analyst's material, and is no figure
/// of the document: `twelve sentences in two sections`.
const MATERIAL: [&str; 17] = [
    "sentence",
    "sections",
    "section",
    "page",
    "slide",
    "chapter",
    "passage",
    "paragraph",
    "quote",
    "figure",
    "example",
    "case",
    "source",
    "inspiration",
    "trend",
    "lesson",
    "opportunit",
];

/// Whether a number in words counts the analyst's material, or names parts of it in brackets: `(two, three)`.
pub(super) fn counts_material(chars: &[char], start: usize, end: usize) -> bool {
    const WORDS_BETWEEN: usize = 2;
    const CHARS_READ: usize = 60;
    let after: String =
        chars.get(end..).unwrap_or_default().iter().take(CHARS_READ).collect::<String>().to_lowercase();
    let mut following = after.split(|c: char| !c.is_alphabetic() && c != '-').filter(|word| !word.is_empty());
    let is_count = following
        .by_ref()
        .take(WORDS_BETWEEN)
        .any(|word| MATERIAL.iter().any(|known| word.starts_with(known)));
    let before: String =
        chars.get(start.saturating_sub(CHARS_READ)..start).unwrap_or_default().iter().collect();
    let inside = before.rsplit_once('(').map(|(_, inside)| inside.to_owned());
    let rest = after.split_once(')').map(|(inside, _)| inside);
    let is_place = inside.zip(rest).is_some_and(|(before, after)| {
        let words = before.split([' ', ',', '-']).chain(after.split([' ', ',', '-']));
        words.filter(|word| !word.is_empty()).all(|word| word == "and" || is_small(&word.to_lowercase()))
    });
    is_count || is_place
}

/// Whether digits belong to a name: `I1`, `CO2`, `COVID-19`, `5G`, `2nd`.
pub(super) fn is_name(chars: &[char], at: usize, suffix: &str) -> bool {
    let back = |count: usize| at.checked_sub(count).and_then(|before| chars.get(before));
    let letter = |c: Option<&char>| c.is_some_and(|c| c.is_alphabetic());
    letter(back(1))
        || (back(1) == Some(&'-') && letter(back(2)))
        || matches!(suffix, "st" | "nd" | "rd" | "th" | "D" | "G")
}

/// Whether digits number a list: `1.` or `2)` at the start of a line, `(3)` anywhere.
pub(super) fn is_list_number(chars: &[char], at: usize, token: &Token) -> bool {
    if token.text.len() > 2 {
        return false;
    }
    let before = chars.get(..at).unwrap_or_default();
    let line_start = before.iter().rev().find(|c| **c != ' ').is_none_or(|c| *c == '\n');
    match chars.get(token.end) {
        Some(')') => line_start || before.last() == Some(&'('),
        Some('.') => line_start && chars.get(token.end + 1).is_none_or(|c| c.is_whitespace()),
        _ => false,
    }
}

/// Whether digits cite a place, in the words of [`Format::place`]: `(p. 5)`, `(slide 5)`, `(section 5)`.
///
/// [`Format::place`]: crate::document::Format::place
pub(super) fn is_place(chars: &[char], at: usize, token: &Token) -> bool {
    const OPENINGS: [&str; 3] = ["(p. ", "(slide ", "(section "];
    let before = chars.get(..at).unwrap_or_default();
    let ends_with =
        |opening: &&str| before.iter().rev().copied().take(opening.len()).eq(opening.chars().rev());
    chars.get(token.end) == Some(&')') && OPENINGS.iter().any(ends_with)
}
