//! Numbers that are written in English words: `twenty-three`, `a hundred and five`, `two million`, `half a dozen`,
//! `two thirds`, `tenfold`.

use super::number_value::{Value, value_of};
use crate::english::{TENS, UP_TO_NINETEEN};

const SCALES: [(&str, u64); 5] = [
    ("hundred", 100),
    ("thousand", 1_000),
    ("million", 1_000_000),
    ("billion", 1_000_000_000),
    ("trillion", 1_000_000_000_000),
];
/// `twenty-first` is no number.
const ORDINALS: [&str; 9] =
    ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"];
/// The most words of one number.
const WORDS_MAX: usize = 16;

/// A number in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WordNumber {
    pub(super) written: String,
    pub(super) values: Vec<Value>,
    /// The character at which it begins, and the one after it.
    pub(super) start: usize,
    pub(super) end: usize,
    /// `one` and `zero` alone are more often no numbers: `one of them`, `zero waste`, `one or two`, `the
    /// other half`, `half-hearted`.
    pub(super) is_vague: bool,
}

/// Whether a word, in lower case, is one of a number below a hundred.
pub(super) fn is_small(word: &str) -> bool {
    UP_TO_NINETEEN.contains(&word) || TENS.contains(&word)
}

struct Word {
    /// In lower case. Empty for a word that no number has.
    text: String,
    start: usize,
    end: usize,
}

/// All numbers in words of a text.
pub(super) fn in_words(chars: &[char]) -> Vec<WordNumber> {
    /// As many as the words before a number have that make it vague.
    const BEFORE_CHARS: usize = 7;
    let words = words(chars);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let rest = words.get(at..).unwrap_or_default();
        match number(chars, rest) {
            Some((count, values)) if count > 0 => {
                let (Some(first), Some(last)) = (rest.first(), rest.get(count - 1)) else { break };
                let written: String = chars.get(first.start..last.end).unwrap_or_default().iter().collect();
                let before: String = chars
                    .get(first.start.saturating_sub(BEFORE_CHARS)..first.start)
                    .unwrap_or_default()
                    .iter()
                    .collect();
                let is_part = matches!(
                    before.rsplit([' ', '-']).find(|word| !word.is_empty()),
                    Some("first" | "second" | "other" | "better")
                );
                let next = chars.get(last.end);
                let is_half = written.eq_ignore_ascii_case("half") && (is_part || next == Some(&'-'));
                let is_vague = is_half
                    || matches!(written.to_lowercase().as_str(), "one" | "zero")
                    || before.to_lowercase().ends_with("one or ");
                found.push(WordNumber { written, values, start: first.start, end: last.end, is_vague });
                at += count;
            }
            _ => at += 1,
        }
    }
    found
}

fn words(chars: &[char]) -> Vec<Word> {
    /// No word of a number is longer.
    const LETTERS_MAX: usize = 16;
    let mut words = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let length = chars.get(at..).unwrap_or_default().iter().take_while(|c| c.is_alphabetic()).count();
        if length > 0 {
            let letters = chars.get(at..at + length.min(LETTERS_MAX + 1)).unwrap_or_default();
            let is_other = letters.len() > LETTERS_MAX || !letters.iter().all(char::is_ascii);
            let text =
                if is_other { String::new() } else { letters.iter().map(char::to_ascii_lowercase).collect() };
            words.push(Word { text, start: at, end: at + length });
        }
        at += length.max(1);
    }
    words
}

/// The number at the beginning of some words: how many words it has, and its possible values.
fn number(chars: &[char], words: &[Word]) -> Option<(usize, Vec<Value>)> {
    let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let follows = |at: usize| is_joined(chars, words, at);
    if let Some((count, value)) = fraction(words, &follows) {
        return Some((count, value));
    }
    let times = match word(0) {
        "doubled" | "twofold" | "doubling" => Some(2),
        "tripled" | "trebled" | "threefold" => Some(3),
        "quadrupled" | "fourfold" => Some(4),
        "fivefold" => Some(5),
        "tenfold" => Some(10),
        _ => None,
    };
    if let Some(times) = times {
        return Some((1, vec![times_of(times)]));
    }
    let (count, value) = cardinal(words, &follows)?;
    if follows(count) && ORDINALS.contains(&word(count)) {
        return None;
    }
    if follows(count) && word(count) == "fold" {
        return Some((count + 1, vec![times_of(value)]));
    }
    Some((count, vec![value_of(&value.to_string(), "", 0)]))
}

/// A factor: `doubled`, `tenfold`, `2x`.
pub(super) fn times_of(factor: u64) -> Value {
    (format!("x{factor}"), 0)
}

/// Whether the word at `at` stands right behind the one before it: a blank, a hyphen or a line's end apart.
fn is_joined(chars: &[char], words: &[Word], at: usize) -> bool {
    let (Some(before), Some(word)) = (at.checked_sub(1).and_then(|at| words.get(at)), words.get(at)) else {
        return false;
    };
    word.start - before.end <= 2
        && chars
            .get(before.end..word.start)
            .is_some_and(|gap| gap.iter().all(|c| matches!(c, ' ' | '-' | '\n')))
}

fn fraction(words: &[Word], follows: &dyn Fn(usize) -> bool) -> Option<(usize, Vec<Value>)> {
    let word = |at: usize| {
        if at == 0 || follows(at) { words.get(at).map_or("", |word| word.text.as_str()) } else { "" }
    };
    let parts = |count: u64, of: u64| Some(vec![(format!("{count}/{of}"), 0)]);
    match (word(0), word(1)) {
        ("half", "a") if word(2) == "dozen" => Some((3, vec![value_of("6", "", 0)])),
        ("half", "dozen") => Some((2, vec![value_of("6", "", 0)])),
        ("half" | "halved", next) if !matches!(next, "year" | "yearly" | "time" | "way") => Some((1, half())),
        ("a" | "one", "third") => Some((2, parts(1, 3)?)),
        ("two", "thirds") => Some((2, parts(2, 3)?)),
        // `a quarter` alone is a time.
        ("a" | "one", "quarter") if word(2) == "of" => {
            Some((2, vec![value_of("0", "25", 0), value_of("25", "", 0)]))
        }
        ("three", "quarters") => Some((2, vec![value_of("0", "75", 0), value_of("75", "", 0)])),
        ("a" | "one", "fifth") => Some((2, vec![value_of("0", "2", 0), value_of("20", "", 0)])),
        ("a" | "one", "tenth") => Some((2, vec![value_of("0", "1", 0), value_of("10", "", 0)])),
        _ => None,
    }
}

/// A half, which is also 50 per cent.
fn half() -> Vec<Value> {
    vec![value_of("0", "5", 0), value_of("50", "", 0)]
}

/// A cardinal number at the beginning of some words. `hundreds` and `millions` are none.
fn cardinal(words: &[Word], follows: &dyn Fn(usize) -> bool) -> Option<(usize, u64)> {
    let mut total = 0_u64;
    let mut group: Option<u64> = None;
    let mut count = 0;
    for (at, word) in words.iter().enumerate().take(WORDS_MAX) {
        if at > 0 && !follows(at) {
            break;
        }
        let text = word.text.as_str();
        let next = words.get(at + 1).map_or("", |word| word.text.as_str());
        if let Some(small) = UP_TO_NINETEEN.iter().position(|known| *known == text) {
            let small = u64::try_from(small).unwrap_or(0);
            // `twenty three` is one number, `two three` are two.
            group = match group {
                None => Some(small),
                Some(before) if small < 10 && before % 10 == 0 && before % 100 != 10 && before > 0 => {
                    Some(before + small)
                }
                Some(before) if small >= 10 && before % 100 == 0 && before > 0 => Some(before + small),
                Some(_) => break,
            };
        } else if let Some(tens) = TENS.iter().position(|known| *known == text) {
            let tens = 10 * u64::try_from(tens + 2).unwrap_or(0);
            group = match group {
                None => Some(tens),
                Some(before) if before % 100 == 0 && before > 0 => Some(before + tens),
                Some(_) => break,
            };
        } else if let Some((_, scale)) = SCALES.iter().find(|(known, _)| *known == text) {
            let base = group.take()?;
            if *scale == 100 {
                group = Some(base.saturating_mul(100));
            } else {
                total = total.saturating_add(base.saturating_mul(*scale));
            }
        } else if text == "dozen" && (group.is_some() || count > 0) {
            total = total.saturating_add(group.take()?.saturating_mul(12));
            count = at + 1;
            break;
        } else if text == "a"
            && at == 0
            && (next == "dozen" || SCALES.iter().any(|(known, _)| *known == next))
        {
            group = Some(1);
            continue;
        } else if text == "and" && at > 0 && (group.is_some_and(|group| group % 100 == 0) || total > 0) {
            continue;
        } else {
            break;
        }
        count = at + 1;
    }
    (count > 0).then(|| (count, total.saturating_add(group.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        in_words(&chars)
            .into_iter()
            .map(|number| {
                let (digits, zeros) = &number.values[0];
                format!("{} = {digits}e{zeros}", number.written)
            })
            .collect()
    }

    #[test]
    fn words_have_values() {
        for (text, found) in [
            ("Twenty-three shops", "Twenty-three = 23e0"),
            ("a hundred and five days", "a hundred and five = 105e0"),
            ("two million people", "two million = 2e6"),
            ("one thousand two hundred", "one thousand two hundred = 12e2"),
            ("half a dozen pilots", "half a dozen = 6e0"),
            ("two dozen pilots", "two dozen = 24e0"),
            ("two-thirds of them", "two-thirds = 2/3e0"),
            ("about half of them", "half = 5e-1"),
            ("it grew tenfold", "tenfold = x10e0"),
            ("ninety\nnine", "ninety\nnine = 99e0"),
        ] {
            assert_eq!(values(text), [found], "{text}");
        }
        assert_eq!(values("two, three and four"), ["two = 2e0", "three = 3e0", "four = 4e0"]);
        assert!(values("hundreds of millions, a third party's quarter, the half-year").len() <= 1);
    }
}
