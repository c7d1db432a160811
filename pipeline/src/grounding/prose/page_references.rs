//! Page references in prose: `(p. 5)`, `pp. 7–9`, `page 12`, `(slide 3)`.

use std::ops::Range;

use super::{
    sources::Sources,
    strike::{Struck, without},
};

/// The words before a page's number. Those without a full stop count as a reference only in brackets, except `page`.
const KEYWORDS: [(&str, bool); 8] = [
    ("pages", true),
    ("page", true),
    ("pp.", true),
    ("p.", true),
    ("slides", false),
    ("slide", false),
    ("sections", false),
    ("section", false),
];
/// The most pages of one reference.
const PAGES_MAX: usize = 20;

struct Reference {
    range: Range<usize>,
    pages: Vec<u32>,
}

/// Strikes references to pages that do not exist, or that tell of something else, and counts them.
pub(super) fn strike(text: &mut String, item: &str, sources: &mut Sources<'_>) -> u32 {
    let mut struck: Vec<Struck> = Vec::new();
    for reference in references(text) {
        let sentence = sentence_before(text, reference.range.start);
        if !reference.pages.iter().all(|page| sources.confirms(*page, item, sentence)) {
            let (range, is_bracketed) = bracketed(text, &reference.range);
            struck.push(Struck { range, is_marked: !is_bracketed });
        }
    }
    if !struck.is_empty() {
        *text = without(text, &struck);
    }
    u32::try_from(struck.len()).unwrap_or(u32::MAX)
}

/// The words to which a reference belongs: the quotation right before it, or else the sentence up to it.
fn sentence_before(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let quoted = before.trim_end_matches([' ', '(']).strip_suffix(['”', '"', '»', '“']);
    if let Some((_, words)) = quoted.and_then(|quoted| quoted.rsplit_once(['“', '"', '«', '„'])) {
        return words;
    }
    let start = before
        .trim_end_matches([' ', '('])
        .trim_end_matches(['.', '!', '?', '”', '"'])
        .rfind(['.', '!', '?', '\n']);
    start.and_then(|start| before.get(start + 1..)).unwrap_or(before)
}

fn references(text: &str) -> Vec<Reference> {
    let lower = text.to_ascii_lowercase();
    let mut found: Vec<Reference> = Vec::new();
    let mut at = 0;
    while let Some(start) = lower.get(at..).and_then(|rest| rest.find(['p', 's'])).map(|offset| at + offset) {
        at = start + 1;
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        if before.is_some_and(char::is_alphanumeric) {
            continue;
        }
        let rest = lower.get(start..).unwrap_or_default();
        let Some((keyword, is_plain)) = KEYWORDS.iter().find(|(keyword, _)| rest.starts_with(keyword)) else {
            continue;
        };
        let after = rest.get(keyword.len()..).unwrap_or_default();
        let (length, pages) = numbers(after);
        let range = start..start + keyword.len() + length;
        if !pages.is_empty() && (*is_plain || bracketed(text, &range).1) {
            at = range.end;
            found.push(Reference { range, pages });
        }
    }
    found
}

/// The page numbers at the beginning of a text (` 7–9, 12`), and the bytes that they take. Of a range, both ends
/// count.
fn numbers(text: &str) -> (usize, Vec<u32>) {
    let mut pages: Vec<u32> = Vec::new();
    let mut length = 0;
    while pages.len() < PAGES_MAX {
        let rest = text.get(length..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\u{a0}']).len();
        let digits = rest.get(blanks..).unwrap_or_default();
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let is_whole =
            digits.get(count..).and_then(|rest| rest.chars().next()).is_none_or(|c| !c.is_alphabetic());
        let number = digits
            .get(..count)
            .and_then(|digits| digits.parse::<u32>().ok())
            .filter(|_| count <= 4 && is_whole);
        let Some(number) = number else { break };
        pages.push(number);
        length += blanks + count;
        let rest = text.get(length..).unwrap_or_default();
        let Some(joint) = ["–", "-", ", ", " and ", " & "].iter().find(|joint| rest.starts_with(**joint))
        else {
            break;
        };
        let next = rest.get(joint.len()..).and_then(|rest| rest.trim_start().chars().next());
        if !next.is_some_and(|c| c.is_ascii_digit()) {
            break;
        }
        length += joint.len();
    }
    (length, pages)
}

/// The range with the brackets around it, and whether there are any.
fn bracketed(text: &str, range: &Range<usize>) -> (Range<usize>, bool) {
    let before = text.get(..range.start).unwrap_or_default();
    let opening = before.strip_suffix('(').or_else(|| before.strip_suffix("(see "));
    match (opening, text.get(range.end..).unwrap_or_default().starts_with(')')) {
        (Some(opening), true) => (opening.len()..range.end + 1, true),
        _ => (range.clone(), false),
    }
}
