//! Sentences: where they begin and end in a page's text.

use std::ops::Range;

use super::character_class::is_layout_mark;

/// Words before whose full stop no sentence ends, in lower case.
const ABBREVIATIONS: [&str; 58] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "nos", "nr", "fig", "figs", "vs", "e.g", "i.e", "cf", "al",
    "ca", "approx", "inc", "ltd", "co", "corp", "dept", "est", "vol", "pp", "p", "jan", "feb", "mar", "apr",
    "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "u.s", "u.k", "z.b", "d.h", "u.a", "bzw", "mio",
    "mrd", "tsd", "inkl", "usw", "m", "mme", "mlle", "sr", "sra", "núm", "art", "abs",
];

/// How far from a quote its sentence's border is looked for. A stored quote of 600 characters has no more
/// bytes in whatever script.
pub(super) const REACH_BYTES: usize = 2_400;

/// The sentences that hold `range`, from the beginning of the first to the end of the last, within the lines of
/// `block`. None if a border is further away than anything that is quoted.
pub(super) fn around(text: &str, block: Range<usize>, range: Range<usize>) -> (Option<usize>, Option<usize>) {
    let from = text.ceil_char_boundary(block.start.max(range.start.saturating_sub(REACH_BYTES)));
    let to = text.floor_char_boundary(block.end.min(range.end.saturating_add(REACH_BYTES)));
    let window = text.get(from..to).unwrap_or_default();
    let ends = ends(window);
    let last_before = ends.iter().map(|end| from + end).rfind(|end| *end <= range.start);
    let start = last_before.or((from == block.start).then_some(from));
    // The end of a quote may lie between a sentence's last letter and its full stop.
    let after = |end: usize| end >= range.end;
    let end = ends.iter().map(|end| from + end).find(|end| after(*end)).or((to == block.end).then_some(to));
    (start.map(|start| skip_marks(text, start, range.start)), end)
}

/// The position after the white space and bullets at the beginning of a sentence.
fn skip_marks(text: &str, start: usize, limit: usize) -> usize {
    let head = text.get(start..limit).unwrap_or_default();
    let rest = head.trim_start_matches(|c: char| c.is_whitespace() || is_layout_mark(c));
    start + (head.len() - rest.len())
}

/// The positions after the sentences of a text.
fn ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if matches!(c, '。' | '！' | '？' | '｡' | '؟' | '।' | '۔') {
            let mut end = at + c.len_utf8();
            while let Some((next, closing)) = chars.next_if(|(_, c)| is_closing(*c)) {
                end = next + closing.len_utf8();
            }
            ends.push(end);
        } else if matches!(c, '.' | '!' | '?' | '…') {
            let mut end = at + c.len_utf8();
            while let Some((next, closing)) =
                chars.next_if(|(_, c)| is_closing(*c) || matches!(*c, '.' | '!' | '?'))
            {
                end = next + closing.len_utf8();
            }
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(end..).unwrap_or_default();
            if begins_sentence(after) && !(c == '.' && is_abbreviated(before)) {
                ends.push(end);
            }
        }
    }
    ends
}

const fn is_closing(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | '“' | '»' | '›' | ')' | ']' | '」' | '』' | '）')
}

/// Whether a sentence may begin with this text, which follows a full stop.
fn begins_sentence(text: &str) -> bool {
    let rest = text.trim_start();
    if rest.len() == text.len() {
        return text.is_empty();
    }
    rest.chars()
        .find(|c| !is_closing(*c) && !matches!(c, '„' | '«' | '(' | '‘'))
        .is_none_or(|c| !c.is_lowercase())
}

/// Whether the text ends in a word whose full stop ends no sentence: an abbreviation, an initial, or the number
/// of a list item at the beginning of its line.
fn is_abbreviated(text: &str) -> bool {
    const WORD_BYTES_MAX: usize = 24;
    let tail = text.get(text.ceil_char_boundary(text.len().saturating_sub(WORD_BYTES_MAX))..).unwrap_or(text);
    let line = tail.rsplit('\n').next().unwrap_or_default();
    let word = line.rsplit([' ', '(', '\t']).next().unwrap_or_default();
    if word.is_empty() {
        return false;
    }
    let starts_line =
        word.len() == line.trim_start().len() && (tail.contains('\n') || tail.len() == text.len());
    if starts_line && word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    let mut letters = word.chars();
    let is_initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
    is_initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around_word(text: &str, word: &str) -> String {
        let start = text.find(word).unwrap();
        let (from, to) = around(text, 0..text.len(), start..start + word.len());
        text[from.unwrap()..to.unwrap()].to_owned()
    }

    #[test]
    fn sentences_end_where_readers_end_them() {
        for (text, word, sentence) in [
            ("It fell. It rose by 2.5 % then. End.", "rose", "It rose by 2.5 % then."),
            ("Dr. Smith met J. Doe, e.g. Tuesday. So?", "Doe", "Dr. Smith met J. Doe, e.g. Tuesday."),
            ("“It works.” She left. Then", "works", "“It works.”"),
            ("He said “no.” then left. Bye.", "said", "He said “no.” then left."),
            ("1. First thing. 2", "thing", "1. First thing."),
            ("这是一句。这是两句！", "两", "这是两句！"),
            ("No end here", "end", "No end here"),
            ("Wait… what? Yes.", "Wait", "Wait… what?"),
            ("In 2024. 9 million came.", "million", "9 million came."),
        ] {
            assert_eq!(around_word(text, word), sentence);
        }
    }
}
