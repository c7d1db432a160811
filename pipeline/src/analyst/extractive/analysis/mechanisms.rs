//! Kinds of mechanism, and what a brand can do with each: read from `lexicon/mechanisms.txt`.
//!
//! A kind is shown by its signs, words and phrases that name the mechanism, together with hints, words that go with
//! it. One word alone never shows a kind; where no kind is shown, [`GENERIC`] says so.

use std::{collections::BTreeMap, sync::LazyLock};

use crate::{
    analyst::extractive::{
        analysis::result::Analysis,
        text::{role::Role, word_lists, words},
    },
    stages::Effort,
};

/// A word counts this often at most towards a kind: a topic that repeats one word is not surer of it.
const COUNT_MAX: usize = 3;
/// What a hint weighs, compared with a sign.
const HINT_WEIGHT: f64 = 0.25;
/// How rare a phrase is taken to be: rarity is known of single words only.
const PHRASE_RARITY: f64 = 3.0;
/// What a word of a title weighs more than one of the text.
const TITLE_WEIGHT: f64 = 3.0;
/// How sure the fallback is where a kind is shown, so that it is used for products to which no kind carries over.
const GENERIC_SURENESS: f64 = 0.3;

/// A kind of mechanism.
#[derive(Debug)]
pub(crate) struct Mechanism {
    pub(crate) kind: &'static str,
    pub(crate) label: &'static str,
    /// Words for what in a profile it would serve.
    pub(crate) serves: &'static str,
    /// In the form of [`words::stemmed`].
    signs: Vec<String>,
    hints: Vec<String>,
    pub(crate) variants: Vec<Variant>,
}

impl Mechanism {
    /// How much a short stemmed text speaks of this kind: its different signs, and half as much its hints.
    pub(crate) fn affinity(&self, stemmed: &str) -> f64 {
        let held =
            |list: &[String]| list.iter().filter(|word| stemmed.contains(word.as_str())).count() as f64;
        held(&self.signs) + held(&self.hints) / 2.0
    }

    /// The first variant for a class whose needs a stemmed text meets.
    pub(crate) fn variant_for(&self, class: &str, stemmed: &str) -> Option<&Variant> {
        let usable = |wanted: &str| {
            self.variants.iter().find(|variant| {
                variant.class == wanted && variant.needs.iter().all(|need| stemmed.contains(need.as_str()))
            })
        };
        usable(class).or_else(|| usable("any"))
    }

    /// How much speaks for this kind, if enough does: two different signs, one said twice with a hint beside it, or a
    /// phrase with two hints.
    fn weight(&self, text: &Counted<'_>, titles: &str, rarity: &BTreeMap<String, f64>) -> Option<f64> {
        let occurs = |list: &[String]| -> Vec<(usize, f64)> {
            list.iter()
                .map(|sign| (text.count(sign), sign))
                .filter(|(count, _)| *count > 0)
                .map(|(count, sign)| {
                    let bare = sign.trim();
                    let phrase = bare.contains(' ');
                    let rarity =
                        if phrase { PHRASE_RARITY } else { rarity.get(bare).copied().unwrap_or(1.0) };
                    let title = if titles.contains(sign.as_str()) { TITLE_WEIGHT } else { 0.0 };
                    (count, (count.min(COUNT_MAX) as f64 + title) * rarity)
                })
                .collect()
        };
        let (signs, hints) = (occurs(&self.signs), occurs(&self.hints));
        let repeated = signs.iter().any(|(count, _)| *count >= 2);
        let phrase = self.signs.iter().any(|sign| sign.trim().contains(' ') && text.count(sign) > 0);
        let enough = signs.len() >= 2 || repeated && !hints.is_empty() || phrase && hints.len() >= 2;
        let sum = |found: &[(usize, f64)]| found.iter().map(|(_, weight)| weight).sum::<f64>();
        enough.then(|| sum(&signs) + HINT_WEIGHT * sum(&hints))
    }
}

/// A stemmed text with its words counted: most signs are single words, and are looked up.
struct Counted<'t> {
    stemmed: &'t str,
    words: BTreeMap<&'t str, usize>,
}

impl<'t> Counted<'t> {
    fn of(stemmed: &'t str) -> Self {
        let mut words: BTreeMap<&str, usize> = BTreeMap::new();
        for word in stemmed.split_whitespace() {
            *words.entry(word).or_default() += 1;
        }
        Self { stemmed, words }
    }

    fn count(&self, sign: &str) -> usize {
        let bare = sign.trim();
        if bare.contains(' ') {
            self.stemmed.matches(sign).count()
        } else {
            self.words.get(bare).copied().unwrap_or_default()
        }
    }
}

/// What a brand can do with it, for products of one class.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) class: &'static str,
    /// What the case or the profile must hold, because the template says it.
    needs: Vec<String>,
    /// Best signs first.
    pub(crate) fits: Vec<String>,
    pub(crate) title: &'static str,
    pub(crate) pitch: &'static str,
    pub(crate) steps: Vec<&'static str>,
    pub(crate) effort: Effort,
}

/// The kind that is left when no other is shown.
pub(crate) const GENERIC: &str = "generic";

fn read(source: &'static str) -> Vec<Mechanism> {
    let mut mechanisms: Vec<Mechanism> = Vec::new();
    for line in word_lists::lines(source) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            match (name.split_once('.'), mechanisms.last_mut()) {
                (Some((_, class)), Some(mechanism)) => mechanism.variants.push(Variant {
                    class,
                    needs: Vec::new(),
                    fits: Vec::new(),
                    title: "",
                    pitch: "",
                    steps: Vec::new(),
                    effort: Effort::Medium,
                }),
                _ => mechanisms.push(Mechanism {
                    kind: name,
                    label: "",
                    serves: "",
                    signs: Vec::new(),
                    hints: Vec::new(),
                    variants: Vec::new(),
                }),
            }
            continue;
        }
        let (Some((key, value)), Some(mechanism)) = (line.split_once(": "), mechanisms.last_mut()) else {
            continue;
        };
        match (key, mechanism.variants.last_mut()) {
            ("label", _) => mechanism.label = value,
            ("serves", _) => mechanism.serves = value,
            ("signs", _) => mechanism.signs = phrases(value),
            ("hints", _) => mechanism.hints = phrases(value),
            ("needs", Some(variant)) => variant.needs = phrases(value),
            ("fits", Some(variant)) => {
                variant.fits = value.split_whitespace().flat_map(words::content_stems).collect();
            }
            ("title", Some(variant)) => variant.title = value,
            ("pitch", Some(variant)) => variant.pitch = value,
            ("step", Some(variant)) => variant.steps.push(value),
            ("effort", Some(variant)) => {
                variant.effort = match value {
                    "LOW" => Effort::Low,
                    "HIGH" => Effort::High,
                    _ => Effort::Medium,
                };
            }
            _ => {}
        }
    }
    mechanisms
}

/// Words, and after a bar phrases, as they are looked for.
fn phrases(value: &str) -> Vec<String> {
    let (single, several) = value.split_once('|').unwrap_or((value, ""));
    let several = several.split('|').filter(|phrase| !phrase.is_empty());
    let mut all: Vec<String> = single.split_whitespace().chain(several).map(words::stemmed).collect();
    all.retain(|phrase| !phrase.trim().is_empty());
    all.sort();
    all.dedup();
    all
}

/// What a topic says for itself, stemmed: doubts and programmes are left out.
pub(crate) fn text_of(analysis: &Analysis, topic: usize) -> String {
    analysis
        .of_topic(topic)
        .filter(|(_, s)| !s.objects && !matches!(s.role, Role::Matter | Role::Counter | Role::Outlook))
        .map(|(_, s)| s.stemmed.as_str())
        .collect()
}

/// The kinds that a stemmed text with its titles shows, surest first, with how sure (the first is 1).
pub(crate) fn kinds_of(
    text: &str,
    titles: &str,
    rarity: &BTreeMap<String, f64>,
) -> Vec<(f64, &'static Mechanism)> {
    let text = Counted::of(text);
    let mut found: Vec<(f64, &Mechanism)> = all()
        .iter()
        .filter(|mechanism| mechanism.kind != GENERIC)
        .filter_map(|mechanism| Some((mechanism.weight(&text, titles, rarity)?, mechanism)))
        .collect();
    // The sort is stable: equal kinds stay in the order of the file.
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = found.first().map_or(1.0, |(sum, _)| *sum);
    for (sum, _) in &mut found {
        *sum /= best;
    }
    let sureness = if found.is_empty() { 1.0 } else { GENERIC_SURENESS };
    found.extend(
        all().iter().filter(|mechanism| mechanism.kind == GENERIC).map(|mechanism| (sureness, mechanism)),
    );
    found
}

/// All kinds of mechanism, parsed at first use.
fn all() -> &'static [Mechanism] {
    static ALL: LazyLock<Vec<Mechanism>> = LazyLock::new(|| read(word_lists::MECHANISMS));
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<&'static str> {
        kinds_of(&words::stemmed(text), "", &BTreeMap::new())
            .iter()
            .map(|(_, mechanism)| mechanism.kind)
            .collect()
    }

    #[test]
    fn one_word_alone_shows_no_kind() {
        assert_eq!(kinds("A test was mentioned once."), [GENERIC]);
        assert_eq!(kinds(""), [GENERIC]);
    }

    #[test]
    fn a_kind_is_shown_by_signs_that_belong_together() {
        assert_eq!(kinds("People rent the machine for a month; the rental can be returned.")[0], "access");
        assert_eq!(kinds("Rooms that stand empty at noon are idle capacity.")[0], "idle");
        assert_eq!(kinds("The pause is the default, and nobody has to ask for it.")[0], "default");
    }

    /// A template may say what its needs guarantee, and beyond that only words of no field.
    #[test]
    fn templates_say_nothing_of_any_field() {
        let list = include_str!("../../../../tests/fixtures/held-out/template-words.txt");
        let closed: Vec<String> =
            list.lines().filter(|line| !line.starts_with('#')).flat_map(words::stems_of_phrase).collect();
        let mut strange: Vec<String> = Vec::new();
        for mechanism in all() {
            for variant in &mechanism.variants {
                let mut texts = vec![mechanism.label, variant.title, variant.pitch];
                texts.extend(&variant.steps);
                let needs: Vec<String> =
                    variant.needs.iter().flat_map(|need| words::stems_of_phrase(need)).collect();
                for word in texts.iter().flat_map(|text| words::content_stems(text)) {
                    let slot = ["brand", "product", "case"].contains(&word.as_str());
                    if !slot && !closed.contains(&word) && !needs.contains(&word) {
                        strange.push(format!("{}.{}: {word}", mechanism.kind, variant.class));
                    }
                }
            }
        }
        strange.sort();
        strange.dedup();
        assert!(strange.is_empty(), "{strange:#?}");
    }
}
