//! Proper names.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use unicode_segmentation::UnicodeSegmentation;

use crate::analyst::extractive::{
    stop::{Stop, Stopped},
    text::{lexicon::lexicon, word_lists::is_stopword},
};

/// The most words of a name that the analyst makes.
const NAME_WORDS_MAX: usize = 8;
/// Labels in tables and fact sheets. They are no part of a name.
const LABELS: [&str; 12] = [
    "Category",
    "Strength",
    "Direction",
    "Case",
    "Measured",
    "Effect",
    "Table",
    "Figure",
    "Source",
    "Result",
    "Trend",
    "Impact",
];

/// The proper names of a document, by how often they occur.
#[derive(Debug, Default)]
pub(crate) struct Names {
    counts: BTreeMap<String, usize>,
    /// First words of names of several words: "Fjellvik" for "Fjellvik Outfitters".
    heads: BTreeSet<String>,
}

impl Names {
    /// Collects names: capitalised sequences that do not merely begin a sentence.
    pub(crate) fn collect<'s>(
        sentences: impl Iterator<Item = &'s str>,
        stop: &Stop,
    ) -> Result<Self, Stopped> {
        let mut names = Self::default();
        let sentences: Vec<&str> = sentences.collect();
        let common: HashSet<&str> = sentences
            .iter()
            .flat_map(|s| s.unicode_words())
            .filter(|word| word.starts_with(char::is_lowercase))
            .collect();
        let mut openers: BTreeMap<String, usize> = BTreeMap::new();
        for sentence in sentences {
            stop.check()?;
            for (initial, name) in capitalised_runs(sentence) {
                let several = name.contains(' ');
                if initial && !several {
                    if !common.contains(name.to_lowercase().as_str()) {
                        *openers.entry(name).or_default() += 1;
                    }
                    continue;
                }
                if several {
                    names.heads.extend(name.split(' ').next().map(str::to_owned));
                }
                *names.counts.entry(name).or_default() += 1;
            }
        }
        // A word that opens two sentences, and never occurs in lower case, is a name, unless it has a common
        // ending.
        let built_like_word =
            |name: &str| ["s", "ly", "ing", "ed"].iter().any(|ending| name.ends_with(ending));
        for (name, count) in openers.into_iter().filter(|(name, count)| *count >= 2 && !built_like_word(name))
        {
            *names.counts.entry(name).or_default() += count;
        }
        Ok(names)
    }

    /// Takes in a name that stands before the colon of a heading.
    pub(crate) fn adopt(&mut self, name: &str) {
        self.heads.insert(name.to_owned());
    }

    /// The names in one sentence, in order.
    pub(crate) fn of(&self, sentence: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (initial, name) in capitalised_runs(sentence) {
            let known = !initial || self.counts.contains_key(&name) || self.heads.contains(&name);
            if known && !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
}

/// Runs of capitalised words. The flag says whether a run begins the sentence.
fn capitalised_runs(sentence: &str) -> Vec<(bool, String)> {
    let mut runs: Vec<(bool, String)> = Vec::new();
    let mut current: Vec<String> = Vec::new();
    let mut initial = true;
    let mut close = |current: &mut Vec<String>, initial: bool| {
        while current.last().is_some_and(|word| word == "&") {
            current.pop();
        }
        if current.iter().filter(|word| LABELS.contains(&word.as_str())).count() >= 2 {
            current.clear();
        }
        if !current.is_empty() {
            runs.push((initial, current.join(" ")));
            current.clear();
        }
    };
    let tokens: Vec<&str> = sentence.split_whitespace().collect();
    for (index, token) in tokens.iter().copied().enumerate() {
        let opens = token.starts_with(['“', '"', '(', '‘']);
        let bare = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '&');
        let (bare, possessive) = match bare.strip_suffix("’s").or_else(|| bare.strip_suffix("'s")) {
            Some(bare) => (bare, true),
            None => (bare, false),
        };
        if opens {
            close(&mut current, initial);
        }
        let after_quote = opens && token.chars().count() > 1;
        let inside = !current.is_empty() && !opens;
        let goes_on = inside && bare.len() > 1 && bare.starts_with(char::is_uppercase);
        // In "the Half Blade" a capitalised common word belongs to the name after it.
        let leads = index > 0 && !opens && is_led_by(bare, tokens.get(index + 1).copied());
        if is_name_word(bare) || leads || goes_on || (bare == "&" && inside) {
            if current.is_empty() {
                initial = index == 0 || after_quote;
            }
            current.push(bare.to_owned());
            if possessive || token.ends_with([',', '.', ';', ':', '!', '?', '”', ')', '"']) {
                close(&mut current, initial);
            }
        } else {
            close(&mut current, initial);
        }
    }
    close(&mut current, initial);
    runs
}

fn is_led_by(word: &str, next: Option<&str>) -> bool {
    word.chars().count() > 2
        && word.starts_with(char::is_uppercase)
        && next.is_some_and(|next| is_name_word(next.trim_end_matches(|c: char| !c.is_alphanumeric())))
}

fn is_name_word(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_uppercase)
        && word.chars().filter(|c| c.is_alphabetic()).count() > 1
        && !is_stopword(&word.to_lowercase())
        && !lexicon().is_starter(&word.to_lowercase())
}

/// Whether a text has the shape of a name: a short noun phrase, no clause and no row of a table.
pub(crate) fn is_name(text: &str) -> bool {
    const FINITE: [&str; 40] = [
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "had",
        "will",
        "would",
        "can",
        "could",
        "may",
        "might",
        "must",
        "should",
        "does",
        "do",
        "did",
        "rose",
        "fell",
        "grew",
        "came",
        "went",
        "took",
        "gave",
        "made",
        "found",
        "sold",
        "bought",
        "began",
        "became",
        "kept",
        "paid",
        "saw",
        "says",
        "said",
        "reached",
        "increased",
        "reduced",
        "dropped",
    ];
    let words: Vec<&str> = text.unicode_words().collect();
    let with_digits = words.iter().filter(|word| word.contains(|c: char| c.is_ascii_digit())).count();
    (1..=NAME_WORDS_MAX).contains(&words.len())
        && with_digits * 2 < words.len()
        && !words.iter().any(|word| FINITE.contains(&word.to_lowercase().as_str()))
}
