//! Splits blocks into sentences, and tells which sentences can be quoted.

use unicode_segmentation::UnicodeSegmentation;

use crate::analyst::extractive::text::{lexicon::lexicon, word_lists::is_stopword};

/// The bounds of a quote. A shorter one says nothing alone, and nobody reads a longer one.
pub(crate) const QUOTE_WORDS_MIN: usize = 6;
pub(crate) const QUOTE_WORDS_MAX: usize = 60;
pub(crate) const QUOTE_CHARS_MAX: usize = 600;
const CLOSERS: &str = "”’\"')]»";
const OPENERS: &str = "“‘\"'([«";

/// Splits a paragraph into sentences.
pub(crate) fn split(paragraph: &str) -> Vec<String> {
    let chars: Vec<(usize, char)> = paragraph.char_indices().collect();
    let mut found = Vec::new();
    let mut start = 0_usize;
    for (index, (at, c)) in chars.iter().enumerate() {
        if !matches!(c, '.' | '!' | '?' | '…') || *at < start {
            continue;
        }
        let Some(end) = end_of_sentence(paragraph, &chars, index) else {
            continue;
        };
        push_trimmed(paragraph.get(start..end.text), &mut found);
        start = end.next;
    }
    push_trimmed(paragraph.get(start..), &mut found);
    found
}

fn push_trimmed(piece: Option<&str>, found: &mut Vec<String>) {
    if let Some(piece) = piece.map(str::trim).filter(|piece| !piece.is_empty()) {
        found.push(piece.to_owned());
    }
}

/// The end of a sentence's text, and the beginning of the next. A footnote's mark may stand between them.
struct End {
    text: usize,
    next: usize,
}

fn end_of_sentence(text: &str, chars: &[(usize, char)], index: usize) -> Option<End> {
    let (at, stop) = *chars.get(index)?;
    let mut after = index + 1;
    while chars.get(after).is_some_and(|(_, c)| CLOSERS.contains(*c)) {
        after += 1;
    }
    let text_end = chars.get(after).map_or(text.len(), |(at, _)| *at);
    // A footnote's mark may follow the stop: one or two digits, but not the decimals of a number.
    let before_is_digit = index > 0 && chars.get(index - 1).is_some_and(|(_, c)| c.is_ascii_digit());
    let mut next = after;
    if !before_is_digit {
        while next < after + 2
            && chars.get(next).is_some_and(|(_, c)| c.is_ascii_digit() || "¹²³⁴⁵⁶⁷⁸⁹".contains(*c))
        {
            next += 1;
        }
    }
    let next_at = chars.get(next).map_or(text.len(), |(at, _)| *at);
    let rest = text.get(next_at..)?;
    if rest.trim().is_empty() {
        return Some(End { text: text_end, next: next_at });
    }
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let following = rest.trim_start();
    let first = following.chars().next()?;
    let opens =
        first.is_uppercase() || first.is_ascii_digit() || OPENERS.contains(first) || "€$£".contains(first);
    if !opens {
        return None;
    }
    if stop == '.' && text_end == at + 1 {
        let token = text.get(..at)?.split(|c: char| c.is_whitespace() || OPENERS.contains(c)).next_back()?;
        if !stop_ends(token, following) {
            return None;
        }
    }
    Some(End { text: text_end, next: next_at })
}

/// Whether the full stop after `token` ends a sentence when `following` comes next.
fn stop_ends(token: &str, following: &str) -> bool {
    let lower = token.to_lowercase();
    let next_word: String =
        following.chars().take_while(|c| c.is_alphabetic()).collect::<String>().to_lowercase();
    if lexicon().may_end(&lower) {
        return lexicon().is_starter(&next_word);
    }
    let initial = token.chars().count() == 1 && token.chars().all(char::is_uppercase);
    if initial || lexicon().never_ends(&lower) {
        return false;
    }
    // In "1. Publish" the stop belongs to the number of an item.
    !(token.chars().all(|c| c.is_ascii_digit()) && token.len() <= 2 && following.len() < 4)
}

/// Whether a sentence can be a quote: it is whole, its brackets and quotation marks match, and it is prose.
pub(crate) fn is_quotable(sentence: &str) -> bool {
    let count = sentence.unicode_words().count();
    (QUOTE_WORDS_MIN..=QUOTE_WORDS_MAX).contains(&count)
        && sentence.chars().count() <= QUOTE_CHARS_MAX
        && starts_well(sentence)
        && ends_well(sentence)
        && is_balanced(sentence)
        && is_prose(sentence, count)
        && !is_boilerplate(sentence)
}

fn starts_well(sentence: &str) -> bool {
    let mut chars = sentence.chars();
    let first = chars.next();
    first.is_some_and(|c| c.is_uppercase() || "€$£".contains(c))
        || first.is_some_and(|c| "“‘\"".contains(c)) && chars.next().is_some_and(char::is_uppercase)
        || first.is_some_and(|c| c.is_ascii_digit())
            && sentence
                .split(' ')
                .nth(1)
                .is_some_and(|word| word.chars().all(|c| c.is_lowercase() || c == '-'))
}

fn ends_well(sentence: &str) -> bool {
    sentence.trim_end_matches(|c| CLOSERS.contains(c)).ends_with(['.', '!', '?']) && !sentence.ends_with("..")
}

fn is_balanced(sentence: &str) -> bool {
    let count = |c: char| sentence.chars().filter(|found| *found == c).count();
    let straight = count('"');
    // A closing single quotation mark is also the apostrophe, so only an opening one must be closed.
    count('(') == count(')')
        && count('[') == count(']')
        && count('“') == count('”')
        && count('«') == count('»')
        && count('‘') <= count('’')
        && straight.is_multiple_of(2)
}

/// Whether a sentence is prose. Prose has function words, few numbers and few capitals. Rows of tables and
/// lists of names do not.
fn is_prose(sentence: &str, count: usize) -> bool {
    if sentence.contains(['\u{fffd}', '|', '\t', '→', '•', '{', '}', '<', '>', '='])
        || sentence.contains(". .")
        || sentence.contains("...")
    {
        return false;
    }
    let mut function_words = 0_usize;
    let mut numbers = 0_usize;
    let mut capitals = 0_usize;
    for word in sentence.unicode_words() {
        let first = word.chars().next();
        function_words += usize::from(is_stopword(&word.to_lowercase()));
        numbers += usize::from(first.is_some_and(|c| c.is_ascii_digit()));
        capitals += usize::from(first.is_some_and(char::is_uppercase));
    }
    // A maxim has few function words ("Deposits, credits and resale values draw objects back."). A row of a
    // table has numbers and capitals.
    let plain = numbers == 0 && capitals <= 1;
    let needed = if plain { 12 } else { 22 };
    function_words * 100 >= count * needed && numbers * 100 <= count * 30 && capitals * 100 <= count * 50
}

fn is_boilerplate(sentence: &str) -> bool {
    let lower = sentence.to_lowercase();
    lexicon().boilerplate.iter().any(|phrase| lower.contains(phrase))
}

/// The part of a sentence before its first subordinate clause: a claim that can stand alone.
pub(crate) fn main_clause(sentence: &str) -> &str {
    const CUTS: [&str; 9] = [
        " because ",
        ", because ",
        ", since ",
        ", although ",
        "; ",
        ", while ",
        ", so that ",
        ": ",
        ", compared with ",
    ];
    let cut = CUTS.iter().filter_map(|cut| sentence.find(cut)).filter(|at| *at > 24).min();
    sentence.get(..cut.unwrap_or(sentence.len())).unwrap_or(sentence).trim_end_matches(['.', ',', ' ', '!'])
}
