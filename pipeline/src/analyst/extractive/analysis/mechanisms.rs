//! Kinds of mechanism, and what a brand can do with each: read from `lexicon/mechanisms.txt`.
//!
//! Signs are words and phrases that name a mechanism. Hints are words that go with it. One word alone never
//! shows a kind. A text that shows none has the kind [`GENERIC`].

use std::{collections::BTreeMap, sync::LazyLock};

use crate::{
    analyst::extractive::{
        analysis::{
            counted::{Counted, Phrases},
            result::Analysis,
        },
        text::{role::Role, word_lists, words},
    },
    stages::Effort,
};

/// The most occurrences of a word that count for a kind. Repeating one word proves nothing more.
const COUNT_MAX: usize = 3;
/// The weight of a hint, compared with a sign.
const HINT_WEIGHT: f64 = 0.25;
/// The rarity assumed for a phrase. Rarities exist for single words only.
const PHRASE_RARITY: f64 = 3.0;
/// The extra weight of a word that stands in a title.
const TITLE_WEIGHT: f64 = 3.0;
/// The sureness of [`GENERIC`] beside other kinds. It serves products to which no other kind carries over.
const GENERIC_SURENESS: f64 = 0.3;

/// A kind of mechanism.
#[derive(Debug)]
pub(crate) struct Mechanism {
    pub(crate) kind: &'static str,
    pub(crate) label: &'static str,
    /// Words of the profile entries that it would serve.
    pub(crate) serves: &'static str,
    /// In the form of [`words::stemmed`].
    signs: Vec<String>,
    hints: Vec<String>,
    pub(crate) variants: Vec<Variant>,
}

impl Mechanism {
    /// How much a text is about this kind. Each different sign counts one, each hint a half.
    pub(crate) fn affinity(&self, text: &Counted<'_>) -> f64 {
        let held = |list: &[String]| list.iter().filter(|word| text.holds(word)).count() as f64;
        held(&self.signs) + held(&self.hints) / 2.0
    }

    /// The first variant for a class, or else for any class, whose needs the texts meet.
    pub(crate) fn variant_for(&self, class: &str, texts: &[&Counted<'_>]) -> Option<&Variant> {
        let meets = |need: &String| texts.iter().any(|text| text.holds(need));
        let usable = |wanted: &str| {
            self.variants.iter().find(|variant| variant.class == wanted && variant.needs.iter().all(meets))
        };
        usable(class).or_else(|| usable("any"))
    }

    /// The weight of this kind in a text, if enough speaks for it. Two different signs are enough, a repeated
    /// sign with a hint, or a phrase with two hints.
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

/// A stemmed text, counted with the phrases of all kinds.
pub(crate) fn counted(stemmed: &str) -> Counted<'_> {
    static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
        let needs =
            |mechanism: &'static Mechanism| mechanism.variants.iter().flat_map(|variant| &variant.needs);
        Phrases::new(all().iter().flat_map(|it| it.signs.iter().chain(&it.hints).chain(needs(it))))
    });
    Counted::of(stemmed, &PHRASES)
}

/// One way in which a brand can use a mechanism, for products of one class.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) class: &'static str,
    /// Phrases that the case or the profile must hold, because the template uses them.
    needs: Vec<String>,
    /// Stems of profile entries that make a good carrier, the best first.
    pub(crate) fits: Vec<String>,
    pub(crate) title: &'static str,
    pub(crate) pitch: &'static str,
    pub(crate) steps: Vec<&'static str>,
    pub(crate) effort: Effort,
}

/// The kind of a text that shows no other.
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

/// Reads words, and phrases after a bar, in their stemmed form.
fn phrases(value: &str) -> Vec<String> {
    let (single, several) = value.split_once('|').unwrap_or((value, ""));
    let several = several.split('|').filter(|phrase| !phrase.is_empty());
    let mut all: Vec<String> = single.split_whitespace().chain(several).map(words::stemmed).collect();
    all.retain(|phrase| !phrase.trim().is_empty());
    all.sort();
    all.dedup();
    all
}

/// The stemmed text of a topic, without objections and plans.
pub(crate) fn text_of(analysis: &Analysis, topic: usize) -> String {
    analysis
        .of_topic(topic)
        .filter(|(_, s)| !s.objects && !matches!(s.role, Role::Matter | Role::Counter | Role::Outlook))
        .map(|(_, s)| s.stemmed.as_str())
        .collect()
}

/// The kinds that a stemmed text and its titles show, each with its sureness. The surest comes first and has
/// 1.
pub(crate) fn kinds_of(
    text: &str,
    titles: &str,
    rarity: &BTreeMap<String, f64>,
) -> Vec<(f64, &'static Mechanism)> {
    let text = counted(text);
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
    fn signs_that_belong_together_show_a_kind() {
        assert_eq!(kinds("People rent the machine for a month; the rental can be returned.")[0], "access");
        assert_eq!(kinds("Rooms that stand empty at noon are idle capacity.")[0], "idle");
        assert_eq!(kinds("The pause is the default, and nobody has to ask for it.")[0], "default");
    }

    /// A template may use the words of its needs. Its other words must belong to no field.
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
