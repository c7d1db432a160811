//! Content words: stemmed, with words of one meaning brought to one of them.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use rust_stemmers::Stemmer;

use super::language::Language;

/// Words that reports use for one another, as English stems. The first stands for the others.
const SYNONYMS: [&[&str]; 22] = [
    &["custom", "shopper", "consum", "buyer", "client", "patron", "guest", "peopl", "person", "user"],
    &["shop", "store", "outlet", "retail", "branch", "supermarket"],
    &[
        "rise", "rose", "risen", "grow", "grew", "grown", "growth", "increas", "climb", "gain", "jump",
        "surg", "higher",
    ],
    &[
        "fall", "fell", "fallen", "declin", "decreas", "drop", "shrink", "shrank", "lower", "reduc",
        "reduct", "cut",
    ],
    &["compani", "firm", "busi", "enterpris", "maker", "produc", "manufactur"],
    &["cost", "price", "expens", "fee"],
    &["start", "launch", "introduc", "open", "began", "begin", "begun", "found"],
    &["bring", "brought", "return", "hand"],
    &["get", "got", "receiv", "obtain"],
    &["give", "gave", "given", "offer", "provid"],
    &["pay", "paid", "payment", "charg"],
    &["buy", "bought", "purchas"],
    &["sell", "sold", "sale"],
    &["use", "usag", "util"],
    &["test", "pilot", "trial", "experi"],
    &["reus", "refil", "reusabl", "refill"],
    &["contain", "tin", "jar", "bottl", "packag", "pack"],
    &["employe", "worker", "staff", "team"],
    &["kept", "keep", "retain", "hold", "held"],
    &["half", "halv"],
    &["show", "shown", "prove", "demonstr"],
    &["year", "annual", "yearli"],
];

/// A content word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentWord {
    pub(super) stem: String,
    /// Written with a capital letter within a sentence.
    pub(super) is_name: bool,
}

/// The content words of one sentence.
pub(super) fn content_words(sentence: &str, language: &Language) -> Vec<ContentWord> {
    const LETTERS_MIN: usize = 3;
    let stemmer = Stemmer::create(language.algorithm);
    let mut stems = language.stems();
    let mut words = Vec::new();
    let mut is_first = true;
    for word in sentence.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '’')) {
        let word = word.trim_matches(['\'', '’']);
        if word.is_empty() || !word.contains(char::is_alphabetic) {
            continue;
        }
        let lower = word.to_lowercase().replace('’', "'");
        let lower = lower.strip_suffix("'s").unwrap_or(&lower);
        let capitals = word.chars().filter(|c| c.is_uppercase()).count();
        let is_name = (capitals > 0 && !is_first && !language.capitalises_nouns()) || capitals >= 2;
        is_first = false;
        if language.is_function_word(lower) || (lower.chars().count() < LETTERS_MIN && !is_name) {
            continue;
        }
        words.push(ContentWord { stem: stems.of(lower, |word| meaning(stemmer.stem(word))), is_name });
    }
    words
}

/// The word that stands for all of one meaning.
fn meaning(stem: Cow<'_, str>) -> String {
    static FIRST: LazyLock<HashMap<&'static str, &'static &'static str>> = LazyLock::new(|| {
        let mut firsts = HashMap::new();
        for group in SYNONYMS {
            for word in group {
                firsts.entry(*word).or_insert(group.first().unwrap_or(word));
            }
        }
        firsts
    });
    FIRST.get(&*stem).map_or_else(|| stem.into_owned(), |first| (**first).to_owned())
}
