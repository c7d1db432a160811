//! Quoted spans in prose.

use super::{
    sources::Sources,
    strike::{Struck, without},
};

/// The longest span between two quotation marks, in bytes. Marks further apart belong to no one quotation.
const SPAN_BYTES_MAX: usize = 2_400;

/// Strikes quoted spans of two words and more that stand nowhere, and counts them. A single word in quotation
/// marks is a manner of speaking.
pub(super) fn strike(text: &mut String, item: &str, sources: &mut Sources<'_>) -> u32 {
    let mut struck = Vec::new();
    let mut at = 0;
    while let Some((open, close)) = next(text, at) {
        let words = text.get(open.end..close.start).unwrap_or_default();
        if is_quotation(words) && !sources.hold(words, item) {
            struck.push(Struck { range: open.start..close.end, is_marked: true });
        }
        at = close.end;
    }
    if !struck.is_empty() {
        *text = without(text, &struck);
    }
    u32::try_from(struck.len()).unwrap_or(u32::MAX)
}

/// The quoted spans of a text. Behind [`strike`], each of them stands somewhere.
pub(super) fn spans(text: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some((open, close)) = next(text, at) {
        spans.extend(text.get(open.end..close.start).filter(|words| is_quotation(words)));
        at = close.end;
    }
    spans
}

type Mark = std::ops::Range<usize>;

/// The next pair of quotation marks from `at` on.
fn next(text: &str, at: usize) -> Option<(Mark, Mark)> {
    let mut before = text.get(..at)?.chars().next_back();
    for (offset, c) in text.get(at..)?.char_indices() {
        let start = at + offset;
        let open = start..start + c.len_utf8();
        // `the ‘90s`
        let is_year = matches!(c, '‘' | '\'')
            && text.get(open.end..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if let Some(closers) = closers(c, before).filter(|_| !is_year)
            && let Some(close) = closing(text, open.end, closers)
            // `the '90s and 'this'`: an apostrophe opened nothing.
            && !(c == '\'' && text.get(open.end..close.start).is_some_and(|span| span.contains(" '")))
        {
            return Some((open, close));
        }
        before = Some(c);
    }
    None
}

/// The marks that close what `c` opens, if it opens a quotation.
fn closers(c: char, before: Option<char>) -> Option<&'static [char]> {
    let in_word = before.is_some_and(char::is_alphanumeric);
    match c {
        '“' => Some(&['”', '“']),
        '„' => Some(&['“', '”', '"']),
        '«' => Some(&['»']),
        '‹' => Some(&['›']),
        '「' => Some(&['」']),
        '『' => Some(&['』']),
        // `5"` is a measure.
        '"' if !in_word => Some(&['"']),
        '‘' if !in_word => Some(&['’']),
        '\'' if before.is_none_or(|c| c.is_whitespace() || c == '(') => Some(&['\'']),
        _ => None,
    }
}

fn closing(text: &str, from: usize, closers: &[char]) -> Option<Mark> {
    let end = text.floor_char_boundary(text.len().min(from + SPAN_BYTES_MAX));
    let within = text.get(from..end)?;
    let mut chars = within.char_indices().peekable();
    let mut last = None;
    while let Some((at, c)) = chars.next() {
        // An apostrophe within a word closes nothing.
        let in_word = matches!(c, '’' | '\'') && chars.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        if closers.contains(&c) && !in_word {
            last = Some(from + at..from + at + c.len_utf8());
            break;
        }
    }
    last
}

fn is_quotation(words: &str) -> bool {
    const LETTERS_MIN_WITHOUT_SPACES: usize = 8;
    let letters = words.chars().filter(|c| c.is_alphanumeric());
    words.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count() >= 2
        || (!words.is_ascii() && letters.count() >= LETTERS_MIN_WITHOUT_SPACES)
}
