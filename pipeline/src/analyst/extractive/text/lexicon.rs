//! The word lists, read once from `lexicon/*.txt`.
//!
//! Words are kept as stems where inflection must not matter, and as phrases in plain form (see
//! [`words::plain`]) where it does.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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

/// The phrases of one kind of marker, in groups of equal weight.
#[derive(Debug, Default)]
struct Markers {
    weights: Vec<u32>,
    /// The phrases that begin with a word, each with its group.
    by_first: HashMap<&'static str, Vec<(usize, &'static str)>>,
}

impl Markers {
    fn add_group(&mut self, weight: u32, phrases: &'static str) {
        for phrase in phrases.split('|') {
            let first = phrase.split(' ').next().unwrap_or(phrase);
            self.by_first.entry(first).or_default().push((self.weights.len(), phrase));
        }
        self.weights.push(weight);
    }

    /// The phrases that a text in plain form holds, each once.
    fn held(&self, plain: &str) -> Vec<(usize, &'static str)> {
        let mut held: Vec<(usize, &'static str)> = Vec::new();
        for found in plain.split(' ').filter_map(|word| self.by_first.get(word)).flatten() {
            let (_, phrase) = found;
            if !held.contains(found) && (!phrase.contains(' ') || words::holds(plain, phrase)) {
                held.push(*found);
            }
        }
        held
    }
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
    markers: BTreeMap<&'static str, Markers>,
    pub(crate) industries: Vec<&'static str>,
    /// For each stem, the industries that it stands for, as indexes.
    industries_by_stem: HashMap<String, Vec<usize>>,
    pub(crate) concepts: Vec<Concept>,
    concepts_by_stem: HashMap<String, Vec<usize>>,
}

/// Inverts lists of stems: for each stem, the indexes of the lists that hold it.
fn inverted<'s>(lists: impl Iterator<Item = &'s BTreeSet<String>>) -> HashMap<String, Vec<usize>> {
    let mut inverted: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, list) in lists.enumerate() {
        for stem in list {
            inverted.entry(stem.clone()).or_default().push(index);
        }
    }
    inverted
}

/// How many of the stems stand for each entry of a list with `length` entries.
fn counts<'s>(
    stems: impl Iterator<Item = &'s String>,
    by_stem: &HashMap<String, Vec<usize>>,
    length: usize,
) -> Vec<usize> {
    let mut counts = vec![0_usize; length];
    for index in stems.filter_map(|stem| by_stem.get(stem)).flatten() {
        if let Some(count) = counts.get_mut(*index) {
            *count += 1;
        }
    }
    counts
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
        let mut markers: BTreeMap<&str, Markers> = BTreeMap::new();
        for line in word_lists::lines(word_lists::MARKERS) {
            let mut parts = line.splitn(3, ' ');
            if let (Some(name), Some(weight), Some(list)) = (parts.next(), parts.next(), parts.next()) {
                let weight = weight.parse().unwrap_or(1);
                markers.entry(name).or_default().add_group(weight, list);
            }
        }
        let industries: Vec<(&'static str, BTreeSet<String>)> = word_lists::lines(word_lists::INDUSTRIES)
            .filter_map(|line| line.split_once('|'))
            .map(|(name, list)| (name, stems(list)))
            .collect();
        let concepts: Vec<Concept> = word_lists::lines(word_lists::CONCEPTS)
            .filter_map(|line| {
                let mut parts = line.splitn(3, '|');
                Some(Concept { name: parts.next()?, broader: parts.next()?, stems: stems(parts.next()?) })
            })
            .collect();
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
            industries_by_stem: inverted(industries.iter().map(|(_, stems)| stems)),
            industries: industries.into_iter().map(|(name, _)| name).collect(),
            concepts_by_stem: inverted(concepts.iter().map(|concept| &concept.stems)),
            concepts,
        }
    }

    /// How many of the stems stand for each industry.
    pub(crate) fn industry_counts<'s>(&self, stems: impl Iterator<Item = &'s String>) -> Vec<usize> {
        counts(stems, &self.industries_by_stem, self.industries.len())
    }

    /// How many of the stems stand for each concept.
    pub(crate) fn concept_counts<'s>(&self, stems: impl Iterator<Item = &'s String>) -> Vec<usize> {
        counts(stems, &self.concepts_by_stem, self.concepts.len())
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
        let Some(markers) = self.markers.get(name) else { return 0 };
        let held = markers.held(plain);
        let groups = markers.weights.iter().enumerate();
        groups
            .map(|(group, weight)| {
                let hits = held.iter().filter(|(of, _)| *of == group).count();
                weight * u32::try_from(hits.min(3)).unwrap_or(3)
            })
            .sum()
    }
}
