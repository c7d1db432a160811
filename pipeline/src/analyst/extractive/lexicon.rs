//! The word lists, read once from `lexicon/*.txt`.
//!
//! Words are kept as stems where inflection must not matter, and as phrases in plain form (see
//! [`words::plain`]) where it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::{
    mechanisms::{self, Mechanism},
    words,
};

const STOPWORDS: &str = include_str!("lexicon/stopwords.txt");
const ABBREVIATIONS: &str = include_str!("lexicon/abbreviations.txt");
const OPENERS: &str = include_str!("lexicon/openers.txt");
const HEADINGS: &str = include_str!("lexicon/headings.txt");
const BOILERPLATE: &str = include_str!("lexicon/boilerplate.txt");
const SIGNALS: &str = include_str!("lexicon/signals.txt");
const MARKERS: &str = include_str!("lexicon/markers.txt");
const INDUSTRIES: &str = include_str!("lexicon/industries.txt");
const CONCEPTS: &str = include_str!("lexicon/concepts.txt");
const MECHANISMS: &str = include_str!("lexicon/mechanisms.txt");

/// A heading that begins with "About" and has no more words after it names who speaks.
const ABOUT_WORDS_MAX: usize = 4;
/// The weight of one clear word of objection, or of two weaker ones.
const OBJECTION_MIN: u32 = 4;

/// Every list in a fixed order: what the rules' version is computed from.
pub(super) const SOURCES: [&str; 10] = [
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

/// What a heading says about the text under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Contents, method, legal notes: not cited.
    Matter,
    Summary,
    Lead,
    Context,
    Case,
    Mechanism,
    Result,
    Reason,
    Counter,
    Outlook,
    /// A sub-heading that no rule knows.
    Aside,
}

/// Something a word stands for, and what that belongs to.
#[derive(Debug)]
pub(super) struct Concept {
    pub(super) name: &'static str,
    pub(super) broader: &'static str,
    pub(super) stems: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct Lexicon {
    never_end: BTreeSet<&'static str>,
    maybe_end: BTreeSet<&'static str>,
    starters: BTreeSet<&'static str>,
    leaning: BTreeSet<&'static str>,
    leaning_phrases: Vec<&'static str>,
    headings: Vec<(Role, Vec<String>)>,
    pub(super) boilerplate: Vec<&'static str>,
    signals: BTreeMap<&'static str, BTreeSet<String>>,
    markers: BTreeMap<&'static str, Vec<(u32, Vec<&'static str>)>>,
    pub(super) industries: Vec<(&'static str, BTreeSet<String>)>,
    pub(super) concepts: Vec<Concept>,
    pub(super) mechanisms: Vec<Mechanism>,
}

/// Whether a word in lower case carries no topic. A list of its own, because the others are read with it.
pub(super) fn is_stopword(lowercase: &str) -> bool {
    static STOPWORD_SET: LazyLock<BTreeSet<&str>> =
        LazyLock::new(|| lines(STOPWORDS).flat_map(str::split_whitespace).collect());
    STOPWORD_SET.contains(lowercase)
}

/// The lists, parsed at first use.
pub(super) fn lexicon() -> &'static Lexicon {
    static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::read);
    &LEXICON
}

fn lines(source: &'static str) -> impl Iterator<Item = &'static str> {
    source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn stems(list: &str) -> BTreeSet<String> {
    list.split([' ', '|']).filter(|word| !word.is_empty()).flat_map(words::content_stems).collect()
}

/// The words of every line that begins with `key`.
fn keyed(source: &'static str, key: &str) -> BTreeSet<&'static str> {
    lines(source)
        .filter_map(|line| line.split_once(' ').filter(|(first, _)| *first == key))
        .flat_map(|(_, rest)| rest.split_whitespace())
        .collect()
}

impl Lexicon {
    fn read() -> Self {
        let mut markers: BTreeMap<&str, Vec<(u32, Vec<&str>)>> = BTreeMap::new();
        for line in lines(MARKERS) {
            let mut parts = line.splitn(3, ' ');
            if let (Some(name), Some(weight), Some(list)) = (parts.next(), parts.next(), parts.next()) {
                let weight = weight.parse().unwrap_or(1);
                markers.entry(name).or_default().push((weight, list.split('|').collect()));
            }
        }
        Self {
            never_end: keyed(ABBREVIATIONS, "never"),
            maybe_end: keyed(ABBREVIATIONS, "maybe"),
            starters: keyed(OPENERS, "starter"),
            leaning: keyed(OPENERS, "dangling"),
            leaning_phrases: lines(OPENERS)
                .filter_map(|line| line.strip_prefix("dangling-phrase "))
                .flat_map(|rest| rest.split('|'))
                .collect(),
            headings: lines(HEADINGS)
                .filter_map(|line| {
                    let mut parts = line.split('|');
                    let role = role_named(parts.next()?)?;
                    Some((role, parts.map(words::plain).collect()))
                })
                .collect(),
            boilerplate: lines(BOILERPLATE).collect(),
            signals: lines(SIGNALS)
                .filter_map(|line| line.split_once(' '))
                .map(|(name, list)| (name, stems(list)))
                .collect(),
            markers,
            industries: lines(INDUSTRIES)
                .filter_map(|line| line.split_once('|'))
                .map(|(name, list)| (name, stems(list)))
                .collect(),
            concepts: lines(CONCEPTS)
                .filter_map(|line| {
                    let mut parts = line.splitn(3, '|');
                    Some(Concept { name: parts.next()?, broader: parts.next()?, stems: stems(parts.next()?) })
                })
                .collect(),
            mechanisms: mechanisms::read(MECHANISMS),
        }
    }

    /// A full stop after this token never ends a sentence.
    pub(super) fn never_ends(&self, lowercase: &str) -> bool {
        self.never_end.contains(lowercase)
    }

    /// A full stop after this token ends a sentence only when a usual first word follows.
    pub(super) fn may_end(&self, lowercase: &str) -> bool {
        self.maybe_end.contains(lowercase)
    }

    pub(super) fn is_starter(&self, lowercase: &str) -> bool {
        self.starters.contains(lowercase)
    }

    /// Whether a sentence in plain form leans on the one before it.
    pub(super) fn leans(&self, plain: &str) -> bool {
        let text = plain.trim_start();
        text.split(' ').next().is_some_and(|word| self.leaning.contains(word))
            || self.leaning_phrases.iter().any(|phrase| {
                text.strip_prefix(phrase).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            })
    }

    /// Whether a sentence, also given in plain form, speaks against what it is about: one clear word for it, or two weaker ones.
    pub(super) fn objects(&self, text: &str, plain: &str) -> bool {
        // "However old" objects to nothing.
        let however = text.starts_with("However, ") || text.contains(", however,");
        however || self.marker_weight("objection", plain) >= OBJECTION_MIN
    }

    /// The role of the text under a heading, where the heading tells.
    ///
    /// A role's words must make up the heading or begin it: "The market for repair" is a topic, "The market"
    /// is not.
    pub(super) fn heading_role(&self, heading: &str) -> Option<Role> {
        let plain = words::plain(heading);
        let plain = plain.trim();
        // "About Northwind", at the end of a press release.
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
                // "Method, limits and acknowledgements", "Limits and open questions": a list of roles.
                let first = heading.split([',', '&']).next()?.split(" and ").next()?;
                (first.len() < heading.len()).then(|| self.heading_role(first)).flatten()
            })
    }

    pub(super) fn signal(&self, name: &str, stem: &str) -> bool {
        self.signals.get(name).is_some_and(|stems| stems.contains(stem))
    }

    /// How strongly a sentence in plain form carries a kind of marker; each phrase counts once.
    pub(super) fn marker_weight(&self, name: &str, plain: &str) -> u32 {
        let words: BTreeSet<&str> = plain.split_whitespace().collect();
        // Most phrases are ruled out by their first word; only the rest are searched for.
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

fn role_named(name: &str) -> Option<Role> {
    Some(match name {
        "matter" => Role::Matter,
        "summary" => Role::Summary,
        "mechanism" => Role::Mechanism,
        "reason" => Role::Reason,
        "counter" => Role::Counter,
        "outlook" => Role::Outlook,
        "case" => Role::Case,
        "result" => Role::Result,
        "context" => Role::Context,
        _ => return None,
    })
}
