//! The text of the word lists in `lexicon/*.txt`, and the stop words, which the parser of the other lists
//! needs.

use std::{collections::BTreeSet, sync::LazyLock};

pub(crate) const STOPWORDS: &str = include_str!("lexicon/stopwords.txt");
pub(crate) const ABBREVIATIONS: &str = include_str!("lexicon/abbreviations.txt");
pub(crate) const OPENERS: &str = include_str!("lexicon/openers.txt");
pub(crate) const HEADINGS: &str = include_str!("lexicon/headings.txt");
pub(crate) const BOILERPLATE: &str = include_str!("lexicon/boilerplate.txt");
pub(crate) const SIGNALS: &str = include_str!("lexicon/signals.txt");
pub(crate) const MARKERS: &str = include_str!("lexicon/markers.txt");
pub(crate) const INDUSTRIES: &str = include_str!("lexicon/industries.txt");
pub(crate) const CONCEPTS: &str = include_str!("lexicon/concepts.txt");
pub(crate) const MECHANISMS: &str = include_str!("lexicon/mechanisms.txt");
/// Every list in a fixed order. The version of the rules is a hash of them.
pub(crate) const SOURCES: [&str; 10] = [
    STOPWORDS,
    ABBREVIATIONS,
    OPENERS,
    HEADINGS,
    BOILERPLATE,
    SIGNALS,
    MARKERS,
    INDUSTRIES,
    CONCEPTS,
    MECHANISMS,
];

pub(crate) fn lines(source: &'static str) -> impl Iterator<Item = &'static str> {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether a word in lower case is a stop word, which carries no topic.
pub(crate) fn is_stopword(lowercase: &str) -> bool {
    static STOPWORD_SET: LazyLock<BTreeSet<&str>> =
        LazyLock::new(|| lines(STOPWORDS).flat_map(str::split_whitespace).collect());
    STOPWORD_SET.contains(lowercase)
}
