//! Kinds of mechanism, and what a brand can do with each: read from `lexicon/plays.txt`.

use std::collections::{BTreeMap, BTreeSet};

use super::{lexicon::lexicon, words};
use crate::stages::Effort;

/// A word counts this often at most towards a kind: a topic that repeats one word is not surer of it.
const TRIGGER_COUNT_MAX: usize = 3;
/// Fewer different trigger words than this show no kind.
const TRIGGERS_MIN: usize = 2;

/// A kind of mechanism.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) kind: &'static str,
    pub(super) label: &'static str,
    /// Words for what in a profile it would serve.
    pub(super) serves: &'static str,
    triggers: BTreeSet<String>,
    pub(super) variants: Vec<Variant>,
}

impl Play {
    /// How many of some stems are signs of this kind.
    pub(super) fn signs(&self, stems: &[String]) -> usize {
        stems.iter().filter(|stem| self.triggers.contains(*stem)).count()
    }
}

/// What a brand can do with it, for products of one class.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) class: &'static str,
    /// Best signs first.
    pub(super) fits: Vec<String>,
    pub(super) title: &'static str,
    pub(super) pitch: &'static str,
    pub(super) steps: Vec<&'static str>,
    pub(super) effort: Effort,
}

/// The kind that is left when no other is shown.
pub(super) const GENERIC: &str = "generic";

pub(super) fn read(source: &'static str) -> Vec<Play> {
    let mut plays: Vec<Play> = Vec::new();
    for line in source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            match (name.split_once('.'), plays.last_mut()) {
                (Some((_, class)), Some(play)) => play.variants.push(Variant {
                    class,
                    fits: Vec::new(),
                    title: "",
                    pitch: "",
                    steps: Vec::new(),
                    effort: Effort::Medium,
                }),
                _ => plays.push(Play {
                    kind: name,
                    label: "",
                    serves: "",
                    triggers: BTreeSet::new(),
                    variants: Vec::new(),
                }),
            }
            continue;
        }
        let (Some((key, value)), Some(play)) = (line.split_once(": "), plays.last_mut()) else {
            continue;
        };
        let stems = || value.split_whitespace().flat_map(words::content_stems).collect::<Vec<String>>();
        match (key, play.variants.last_mut()) {
            ("label", _) => play.label = value,
            ("serves", _) => play.serves = value,
            ("triggers", _) => play.triggers = stems().into_iter().collect(),
            ("fits", Some(variant)) => variant.fits = stems(),
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
    plays
}

/// The kinds that a text shows, surest first, with how sure (the first is 1).
pub(super) fn kinds_of(stems: &[String], rarity: &BTreeMap<String, f64>) -> Vec<(f64, &'static Play)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for stem in stems {
        *counts.entry(stem).or_default() += 1;
    }
    let mut found: Vec<(f64, &Play)> = Vec::new();
    for play in &lexicon().plays {
        let hits: Vec<(&&str, &usize)> =
            counts.iter().filter(|(stem, _)| play.triggers.contains(**stem)).collect();
        if hits.len() >= TRIGGERS_MIN {
            let sum: f64 = hits
                .iter()
                .map(|(stem, count)| {
                    (**count).min(TRIGGER_COUNT_MAX) as f64 * rarity.get(**stem).copied().unwrap_or(1.0)
                })
                .sum();
            found.push((sum / (play.triggers.len() as f64).sqrt(), play));
        }
    }
    // The sort is stable: equal kinds stay in the order of the file.
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = found.first().map_or(1.0, |(sum, _)| *sum);
    for (sum, _) in &mut found {
        *sum /= best;
    }
    if found.is_empty() {
        found.extend(lexicon().plays.iter().filter(|play| play.kind == GENERIC).map(|play| (1.0, play)));
    }
    found
}
