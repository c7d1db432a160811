//! Proper names and key phrases.

use std::collections::{BTreeMap, BTreeSet};

use unicode_segmentation::UnicodeSegmentation;

use super::{
    analysis::Sentence,
    lexicon::{is_stopword, lexicon},
    words,
};

/// A name made by the analyst is no longer than this.
const NAME_WORDS_MAX: usize = 8;
/// The labels of a row of a table or of a fact sheet: no part of a name.
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
pub(super) struct Names {
    counts: BTreeMap<String, usize>,
    /// First words of names of several words: "Fjellvik" for "Fjellvik Outfitters".
    heads: BTreeSet<String>,
}

impl Names {
    /// Collects names: capitalised sequences that do not merely begin a sentence.
    pub(super) fn collect<'s>(sentences: impl Iterator<Item = &'s str>) -> Self {
        let mut names = Self::default();
        let sentences: Vec<&str> = sentences.collect();
        let common: BTreeSet<&str> = sentences
            .iter()
            .flat_map(|s| s.unicode_words())
            .filter(|word| word.starts_with(char::is_lowercase))
            .collect();
        let mut openers: BTreeMap<String, usize> = BTreeMap::new();
        for sentence in sentences {
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
        // What opens sentence after sentence and is never written small is a name, unless it is built like a word.
        let built_like_word =
            |name: &str| ["s", "ly", "ing", "ed"].iter().any(|ending| name.ends_with(ending));
        for (name, count) in openers.into_iter().filter(|(name, count)| *count >= 2 && !built_like_word(name))
        {
            *names.counts.entry(name).or_default() += count;
        }
        names
    }

    /// Takes in a name that stands before the colon of a heading.
    pub(super) fn adopt(&mut self, name: &str) {
        self.heads.insert(name.to_owned());
    }

    /// The names in one sentence, in order.
    pub(super) fn of(&self, sentence: &str) -> Vec<String> {
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

/// Runs of capitalised words, with whether they begin the sentence.
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
        // "the Half Blade": a common word that is written large before a name belongs to it.
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

/// The name of several words, or else of one, that a topic's sentences give most often.
pub(super) fn principal_name(texts: &[&Sentence]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in texts.iter().flat_map(|s| &s.names) {
        *counts.entry(name).or_default() += 1;
    }
    let several: BTreeMap<&str, usize> =
        counts.keys().filter(|name| name.contains(' ')).map(|name| (*name, uses(texts, name))).collect();
    counts.retain(|_, count| *count >= 2);
    let pool = if several.is_empty() { counts } else { several };
    pool.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0))).map(|(name, _)| (*name).to_owned())
}

/// Whether a text has the shape of a name: a short noun phrase, no clause and no row of a table.
pub(super) fn is_name(text: &str) -> bool {
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

/// How many sentences hold a name, or its first word as its short form.
fn uses(texts: &[&Sentence], name: &str) -> usize {
    let head = name.split(' ').next().unwrap_or(name);
    texts.iter().filter(|s| s.text.contains(head)).count()
}

/// Key phrases of some sentences out of a document: noun-like runs of content words, weighted by how often
/// they occur and by how rare their words are elsewhere (`rarity`, per stem).
pub(super) fn key_phrases<'s>(
    sentences: impl Iterator<Item = &'s str>,
    rarity: &BTreeMap<String, f64>,
    count_max: usize,
) -> Vec<String> {
    // What is said once may be any two words; what is said again is a term.
    phrases_used(sentences, rarity, count_max, 2)
}

/// The same for phrases that are used at least so often.
pub(super) fn phrases_used<'s>(
    sentences: impl Iterator<Item = &'s str>,
    rarity: &BTreeMap<String, f64>,
    count_max: usize,
    uses_min: usize,
) -> Vec<String> {
    let sentences: Vec<&str> = sentences.collect();
    let plain: Vec<String> = sentences.iter().map(|sentence| words::plain(sentence)).collect();
    let mut scores: BTreeMap<String, (f64, String)> = BTreeMap::new();
    for phrase in sentences.iter().flat_map(|sentence| candidates(sentence)) {
        let stems = words::stems_of_phrase(&phrase);
        let key = stems.join(" ");
        if scores.contains_key(&key) {
            continue;
        }
        let weight: f64 = stems.iter().map(|stem| rarity.get(stem).copied().unwrap_or(1.0)).sum();
        let uses = plain.iter().filter(|text| words::holds(text, words::plain(&phrase).trim())).count();
        if uses >= uses_min {
            scores.insert(key, (weight * uses as f64, phrase));
        }
    }
    let mut ranked: Vec<(f64, String)> = scores.into_values().collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut kept: Vec<String> = Vec::new();
    for (_, phrase) in ranked {
        let stems = words::stems_of_phrase(&phrase);
        let overlaps = kept.iter().any(|other| {
            let others = words::stems_of_phrase(other);
            stems.iter().any(|stem| others.contains(stem))
        });
        if !overlaps {
            kept.push(phrase);
        }
        if kept.len() == count_max {
            break;
        }
    }
    kept
}

/// Words that open an object or a clause.
const OBJECT_OPENERS: [&str; 24] = [
    "a", "an", "the", "it", "its", "them", "their", "that", "this", "these", "those", "no", "every", "each",
    "all", "one", "two", "three", "how", "what", "whether", "him", "her", "us",
];
/// Participles that no ending shows.
const PARTICIPLES: [&str; 12] = [
    "worn", "torn", "broken", "lost", "left", "sold", "made", "bought", "given", "taken", "hidden", "frozen",
];

/// Runs of two or three lower-case content words after a determiner: what English puts a noun phrase behind.
fn candidates(sentence: &str) -> Vec<String> {
    const DETERMINERS: [&str; 14] =
        ["a", "an", "the", "its", "their", "every", "each", "no", "of", "with", "one", "into", "as", "this"];
    let mut found = Vec::new();
    let tokens: Vec<&str> = sentence.split_whitespace().collect();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        index += 1;
        if !DETERMINERS.contains(&token.to_lowercase().as_str()) {
            continue;
        }
        let mut run: Vec<&str> = Vec::new();
        let mut closed = false;
        while let Some(next) = tokens.get(index + run.len()).filter(|_| run.len() < 4) {
            let bare = next.trim_matches(|c: char| !c.is_alphanumeric());
            if !is_phrase_word(bare) || next.starts_with(['“', '(', '"']) {
                closed = true;
                break;
            }
            run.push(bare);
            if ends_run(next) {
                closed = true;
                break;
            }
        }
        let ends_as_noun = run.last().is_some_and(|last| {
            !["ly", "ed", "ing", "ous", "ful", "ive", "able", "ish"]
                .iter()
                .any(|suffix| last.ends_with(suffix))
        });
        // "The rule requires that", "the coat adds a": what an object or a clause follows is a verb.
        let after = tokens
            .get(index + run.len())
            .filter(|_| !tokens.get(index + run.len() - 1).is_some_and(|last| ends_run(last)));
        let governs = run.last().is_some_and(|last| last.ends_with('s') && !last.ends_with("ss"))
            && after.is_some_and(|next| {
                OBJECT_OPENERS.contains(&next.to_lowercase().as_str())
                    || next.starts_with(|c: char| c.is_ascii_digit())
            });
        let participle = run.first().is_some_and(|first| {
            first.ends_with("ed")
                || (first.ends_with("ing") && first.len() > 5)
                || first.ends_with("tten")
                || PARTICIPLES.contains(first)
        });
        if governs || participle {
            continue;
        }
        if closed && (2..=3).contains(&run.len()) && ends_as_noun {
            found.push(run.join(" "));
        }
    }
    found
}

/// A mark at a token's end closes a phrase.
fn ends_run(token: &str) -> bool {
    token.ends_with([',', '.', ';', ':', ')', '”', '!', '?'])
}

fn is_phrase_word(word: &str) -> bool {
    word.chars().count() > 2
        && word.chars().all(|c| c.is_alphabetic() || c == '-')
        && word.chars().next().is_some_and(char::is_lowercase)
        && word.unicode_words().all(words::is_content)
        && !word.ends_with("ly")
}
