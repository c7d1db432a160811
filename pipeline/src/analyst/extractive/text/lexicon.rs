//! The word lists, read once from `lexicon/*.txt`.
//!
//! Words are kept as stems where inflection must not matter, and as phrases in plain form (see
//! [`words::plain`]) where it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use crate::analyst::extractive::text::{role::Role, word_lists, words};

/// A heading with "About" and at most this many words after it introduces the publisher.
const ABOUT_WORDS_MAX: usize = 4;
/// The weight of one clear word of objection, or of two weaker ones.
const OBJECTION_MIN: u32 = 4;

/// A concept that words stand for, and the broader class that it belongs to.
#[derive(Debug)]
pub(crate) struct Concept {
    pub(crate) name: &'static str,
    pub(crate) broader: &'static str,
    pub(crate) stems: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct Lexicon {
    never_end: BTreeSet<&'static str>,
    maybe_end: BTreeSet<&'static str>,
    starters: BTreeSet<&'static str>,
    leaning: BTreeSet<&'static str>,
    leaning_phrases: Vec<&'static str>,
    headings: Vec<(Role, Vec<String>)>,
    pub(crate) boilerplate: Vec<&'static str>,
    signals: BTreeMap<&'static str, BTreeSet<String>>,
    markers: BTreeMap<&'static str, Vec<(u32, Vec<&'static str>)>>,
    pub(crate) industries: Vec<(&'static str, BTreeSet<String>)>,
    pub(crate) concepts: Vec<Concept>,
}

/// The lists, parsed at first use.
pub(crate) fn lexicon() -> &'static Lexicon {
    static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::read);
    &LEXICON
}

fn stems(list: &str) -> BTreeSet<String> {
    list.split([' ', '|']).filter(|word| !word.is_empty()).flat_map(words::content_stems).collect()
}

/// The words of every line that begins with `key`.
fn keyed(source: &'static str, key: &str) -> BTreeSet<&'static str> {
    word_lists::lines(source)
        .filter_map(|line| line.split_once(' ').filter(|(first, _)| *first == key))
        .flat_map(|(_, rest)| rest.split_whitespace())
        .collect()
}

impl Lexicon {
    fn read() -> Self {
        let mut markers: BTreeMap<&str, Vec<(u32, Vec<&str>)>> = BTreeMap::new();
        for line in word_lists::lines(word_lists::MARKERS) {
            let mut parts = line.splitn(3, ' ');
            if let (Some(name), Some(weight), Some(list)) = (parts.next(), parts.next(), parts.next()) {
                let weight = weight.parse().unwrap_or(1);
                markers.entry(name).or_default().push((weight, list.split('|').collect()));
            }
        }
        Self {
            never_end: keyed(word_lists::ABBREVIATIONS, "never"),
            maybe_end: keyed(word_lists::ABBREVIATIONS, "maybe"),
            starters: keyed(word_lists::OPENERS, "starter"),
            leaning: keyed(word_lists::OPENERS, "dangling"),
            leaning_phrases: word_lists::lines(word_lists::OPENERS)
                .filter_map(|line| line.strip_prefix("dangling-phrase "))
                .flat_map(|rest| rest.split('|'))
                .collect(),
            headings: word_lists::lines(word_lists::HEADINGS)
                .filter_map(|line| {
                    let mut parts = line.split('|');
                    let role = Role::named(parts.next()?)?;
                    Some((role, parts.map(words::plain).collect()))
                })
                .collect(),
            boilerplate: word_lists::lines(word_lists::BOILERPLATE).collect(),
            signals: word_lists::lines(word_lists::SIGNALS)
                .filter_map(|line| line.split_once(' '))
                .map(|(name, list)| (name, stems(list)))
                .collect(),
            markers,
            industries: word_lists::lines(word_lists::INDUSTRIES)
                .filter_map(|line| line.split_once('|'))
                .map(|(name, list)| (name, stems(list)))
                .collect(),
            concepts: word_lists::lines(word_lists::CONCEPTS)
                .filter_map(|line| {
                    let mut parts = line.splitn(3, '|');
                    Some(Concept { name: parts.next()?, broader: parts.next()?, stems: stems(parts.next()?) })
                })
                .collect(),
        }
    }

    /// A full stop after this token never ends a sentence.
    pub(crate) fn never_ends(&self, lowercase: &str) -> bool {
        self.never_end.contains(lowercase)
    }

    /// A full stop after this token ends a sentence only when a usual first word follows.
    pub(crate) fn may_end(&self, lowercase: &str) -> bool {
        self.maybe_end.contains(lowercase)
    }

    pub(crate) fn is_starter(&self, lowercase: &str) -> bool {
        self.starters.contains(lowercase)
    }

    /// Whether a sentence in plain form depends on the one before it, by its first words.
    pub(crate) fn leans(&self, plain: &str) -> bool {
        let text = plain.trim_start();
        text.split(' ').next().is_some_and(|word| self.leaning.contains(word))
            || self.leaning_phrases.iter().any(|phrase| {
                text.strip_prefix(phrase).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            })
    }

    /// Whether a sentence objects to its subject: it has one clear word of objection, or two weaker ones.
    /// `plain` is the same sentence in plain form.
    pub(crate) fn objects(&self, text: &str, plain: &str) -> bool {
        // "However old" is no objection, so the comma matters.
        let however = text.starts_with("However, ") || text.contains(", however,");
        however || self.marker_weight("objection", plain) >= OBJECTION_MIN
    }

    /// The role that a heading gives to its text, if the word lists know the heading.
    ///
    /// A listed phrase must be the whole heading. A phrase of several words may also begin it, with up to
    /// four words after it.
    pub(crate) fn heading_role(&self, heading: &str) -> Option<Role> {
        let plain = words::plain(heading);
        let plain = plain.trim();
        // A press release ends with "About Northwind".
        if plain.strip_prefix("about ").is_some_and(|rest| rest.split(' ').count() <= ABOUT_WORDS_MAX) {
            return Some(Role::Matter);
        }
        self.headings
            .iter()
            .flat_map(|(role, patterns)| patterns.iter().map(move |pattern| (*role, pattern.trim())))
            .filter(|(_, pattern)| {
                plain == *pattern
                    || plain.strip_prefix(pattern).is_some_and(|rest| {
                        rest.starts_with(' ') && pattern.contains(' ') && rest.split_whitespace().count() <= 4
                    })
            })
            .max_by_key(|(_, pattern)| pattern.len())
            .map(|(role, _)| role)
            .or_else(|| {
                // "Method, limits and acknowledgements" is a list of roles: the first one decides.
                let first = heading.split([',', '&']).next()?.split(" and ").next()?;
                (first.len() < heading.len()).then(|| self.heading_role(first)).flatten()
            })
    }

    pub(crate) fn signal(&self, name: &str, stem: &str) -> bool {
        self.signals.get(name).is_some_and(|stems| stems.contains(stem))
    }

    /// The weight of one kind of marker in a sentence in plain form. Each phrase counts once.
    pub(crate) fn marker_weight(&self, name: &str, plain: &str) -> u32 {
        let words: BTreeSet<&str> = plain.split_whitespace().collect();
        // The first word rules out most phrases. Only the rest are searched for.
        let occurs = |phrase: &&&str| match phrase.split_once(' ') {
            None => words.contains(**phrase),
            Some((first, _)) => words.contains(first) && words::holds(plain, phrase),
        };
        self.markers.get(name).map_or(0, |groups| {
            groups
                .iter()
                .map(|(weight, phrases)| {
                    let hits = phrases.iter().filter(occurs).count();
                    weight * u32::try_from(hits.min(3)).unwrap_or(3)
                })
                .sum()
        })
    }
}
