//! Words: plain form, stems, figures.

use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

use crate::{analyst::extractive::text::word_lists::is_stopword, english};

/// The most figures kept from one sentence.
const FIGURES_MAX: usize = 8;

/// The plain form of a text: lower case, letters and digits only, one space between words and at each end. A
/// substring search in it finds a phrase as whole words.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !matches!(c, '\'' | '’') && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

/// The first three words of a text in plain form, with the spaces around them. None if it has fewer.
pub(crate) fn first_words(plain: &str) -> Option<&str> {
    let end = plain.match_indices(' ').nth(3)?.0;
    plain.get(..=end)
}

/// Whether a text in plain form holds a phrase as whole words.
pub(crate) fn holds(plain: &str, phrase: &str) -> bool {
    plain.match_indices(phrase).any(|(at, _)| {
        plain.get(..at).is_some_and(|before| before.ends_with(' '))
            && plain.get(at + phrase.len()..).is_some_and(|after| after.starts_with(' '))
    })
}

/// The stem of one word.
pub(crate) fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    let bare = lower.strip_suffix("'s").or_else(|| lower.strip_suffix("’s")).unwrap_or(&lower);
    Stemmer::create(Algorithm::English).stem(bare).into_owned()
}

/// The stems of a phrase's words, stop words included.
pub(crate) fn stems_of_phrase(phrase: &str) -> Vec<String> {
    phrase.unicode_words().map(stem).collect()
}

/// The stems of all words of a text, with one space between them and at each end. A substring search in it
/// finds a phrase of stems.
pub(crate) fn stemmed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(' ');
    for word in text.unicode_words() {
        out.push_str(&stem(word));
        out.push(' ');
    }
    out
}

/// A cache of stems, so that each word is stemmed once. The map is never iterated, so its order cannot
/// matter.
#[derive(Debug, Default)]
pub(crate) struct Stems {
    known: HashMap<String, (String, bool)>,
}

impl Stems {
    /// A text's [`content_stems`], and the text [`stemmed`].
    pub(crate) fn of(&mut self, text: &str) -> (Vec<String>, String) {
        let (mut content, mut all) = (Vec::new(), String::with_capacity(text.len() + 2));
        all.push(' ');
        for word in text.unicode_words() {
            let (stem, carries) = match self.known.get(word) {
                Some(known) => known,
                None => self.known.entry(word.to_owned()).or_insert_with(|| (stem(word), is_content(word))),
            };
            all.push_str(stem);
            all.push(' ');
            if *carries {
                content.push(stem.clone());
            }
        }
        (content, all)
    }
}

/// The stems of a text's content words, in order: no stop words, no bare numbers, no single letters.
pub(crate) fn content_stems(text: &str) -> Vec<String> {
    text.unicode_words().filter(|word| is_content(word)).map(stem).collect()
}

/// Whether a word can carry a topic.
pub(crate) fn is_content(word: &str) -> bool {
    let lower = word.to_lowercase();
    let bare = lower.split(['\'', '’']).next().unwrap_or_default();
    bare.chars().count() > 1 && bare.chars().any(char::is_alphabetic) && !is_stopword(bare)
}

/// The figures of a text with their units: percentages, sums, quantities and multiples. Bare years are left
/// out.
pub(crate) fn figures(text: &str) -> Vec<String> {
    const SCALES: [&str; 7] = ["million", "billion", "times", "percent", "points", "per cent", "thousand"];
    let mut found: Vec<String> = Vec::new();
    let tokens: Vec<&str> = text.split_whitespace().collect();
    for (index, token) in tokens.iter().enumerate() {
        let bare =
            token.trim_matches(|c: char| !(c.is_alphanumeric() || matches!(c, '%' | '€' | '$' | '£' | '°')));
        let starts = bare.trim_start_matches(|c: char| c.is_alphabetic() || matches!(c, '€' | '$' | '£'));
        let is_figure = starts.chars().next().is_some_and(|c| c.is_ascii_digit())
            && starts.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '%' | '°' | 'C' | 'F'));
        if !is_figure || is_year(bare) {
            continue;
        }
        let mut figure = bare.to_owned();
        let unit = tokens.get(index + 1).map(|next| next.trim_end_matches(|c: char| !c.is_alphanumeric()));
        match unit {
            Some(unit) if SCALES.contains(&unit) => {
                figure.push(' ');
                figure.push_str(unit);
            }
            // A bare count ("12 shops") says little without its noun, and day numbers say nothing.
            _ if figure.chars().all(|c| c.is_ascii_digit()) => continue,
            _ => {}
        }
        if !found.contains(&figure) && found.len() < FIGURES_MAX {
            found.push(figure);
        }
    }
    found
}

/// Whether a token is a year between 1900 and 2100.
fn is_year(token: &str) -> bool {
    token.len() == 4 && token.parse::<u32>().is_ok_and(|year| (1900..=2100).contains(&year))
}

/// The text, or its beginning with an ellipsis, cut at a word, if it is longer than `chars_max` characters.
pub(crate) fn clipped(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let start: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    let at_word = start.rfind(' ').filter(|at| *at > start.len() / 2).unwrap_or(start.len());
    let kept = start.get(..at_word).unwrap_or(&start);
    format!("{}…", kept.trim_end_matches([' ', ',', ';', ':', '–', '-']))
}

/// Several texts in one line of prose: `a, b and c`.
pub(crate) fn listed<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// The text with its first letter in upper case.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The text with its first letter in lower case.
pub(crate) fn lowercased(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A count in words up to 99. Digits would look like a figure from the document.
pub(crate) fn count_in_words(count: usize) -> String {
    match count {
        0 => "no".to_owned(),
        _ => english::below_hundred(count).unwrap_or_else(|| "a hundred or more".to_owned()),
    }
}

/// A count with its noun.
pub(crate) fn counted(count: usize, singular: &str, plural: &str) -> String {
    format!("{} {}", count_in_words(count), if count == 1 { singular } else { plural })
}
