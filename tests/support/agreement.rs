//! Compares the text of a document with another reading of it, word by word, in near linear time.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;

/// A word that is more frequent says little about the order.
const ORDERED_TIMES_MAX: usize = 8;

/// How far two readings of one document agree, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Agreement {
    /// The share of the reference's words that were read.
    pub(crate) recall: f64,
    /// The share of the read words that the reference has.
    pub(crate) precision: f64,
    /// The share of the words that stay if all words in another order than the reference's are struck. Only words count
    /// that both readings have equally often.
    pub(crate) order: f64,
}

/// The words of a text: letters and digits, in lower case and without ligatures. A word that a hyphen divides at the end of
/// a line is one word, as some programs write it. Chinese, Japanese and Thai have no spaces, so each character is a word.
pub(crate) fn words(text: &str) -> Vec<String> {
    let text: Vec<char> = text.nfkc().filter(|c| *c != '\u{ad}').flat_map(char::to_lowercase).collect();
    let mut words = Vec::new();
    let mut word = String::new();
    let mut at = 0;
    while let Some(c) = text.get(at) {
        let divides = matches!(c, '-' | '\u{2010}') && !word.is_empty();
        let next_line = text.get(at + 1..).filter(|rest| divides && rest.first() == Some(&'\n'));
        if let Some(rest) = next_line
            && rest.get(1).is_some_and(|c| c.is_lowercase())
        {
            at += 2;
            continue;
        }
        let alone = is_word_alone(*c);
        if (alone || !is_part(*c)) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if alone {
            words.push(c.to_string());
        } else if is_part(*c) {
            word.push(*c);
        }
        at += 1;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Letters, digits, and the marks that scripts such as Devanagari write around letters.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{dff}')
}

fn is_word_alone(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

/// Compares words with those of a reference.
pub(crate) fn compare(own: &[String], reference: &[String]) -> Agreement {
    let (here, there) = (places(own), places(reference));
    let common: usize =
        here.iter().map(|(word, places)| places.len().min(there.get(word).map_or(0, Vec::len))).sum();
    let share = |all: usize| if all == 0 { 1.0 } else { common as f64 / all as f64 };
    let mut pairs: Vec<(usize, usize)> = here
        .iter()
        .filter_map(|(word, here)| Some((here, there.get(word)?)))
        .filter(|(here, there)| here.len() == there.len() && here.len() <= ORDERED_TIMES_MAX)
        .flat_map(|(here, there)| here.iter().copied().zip(there.iter().copied()))
        .collect();
    pairs.sort_unstable();
    let kept = longest_ascent(pairs.iter().map(|(_, there)| *there));
    let order = if pairs.is_empty() { 1.0 } else { kept as f64 / pairs.len() as f64 };
    Agreement { recall: share(reference.len()), precision: share(own.len()), order }
}

/// The places of each word.
fn places(words: &[String]) -> HashMap<&str, Vec<usize>> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, word) in words.iter().enumerate() {
        places.entry(word).or_default().push(at);
    }
    places
}

/// The length of the longest ascending part of a sequence, found with one stack of piles.
fn longest_ascent(sequence: impl Iterator<Item = usize>) -> usize {
    let mut tops: Vec<usize> = Vec::new();
    for value in sequence {
        let place = tops.partition_point(|top| *top < value);
        match tops.get_mut(place) {
            Some(top) => *top = value,
            None => tops.push(value),
        }
    }
    tops.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(own: &str, reference: &str) -> Agreement {
        compare(&words(own), &words(reference))
    }

    #[test]
    fn readings_are_compared_word_by_word() {
        assert_eq!(
            words("The \u{fb01}rst con-\nfirmed, 2\u{bd}-fold \u{65e5}\u{672c}"),
            ["the", "first", "confirmed", "21", "2", "fold", "\u{65e5}", "\u{672c}"]
        );
        let same = agreement("one two three", "One, two; three.");
        assert_eq!(same, Agreement { recall: 1.0, precision: 1.0, order: 1.0 });
        let lost = agreement("one two", "one two three four");
        assert_eq!((lost.recall, lost.precision), (0.5, 1.0));
        assert_eq!(agreement("a b c x y z", "x y z a b c").order, 0.5);
    }
}
