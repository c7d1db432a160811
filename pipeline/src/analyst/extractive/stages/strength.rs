//! The strength of a trend, from counts of what the document shows.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    analyst::extractive::{
        analysis::{result::Analysis, sentence::Sentence},
        stages::{citations, counter_signals},
        text::{sentences, words},
    },
    stages::Strength,
};

/// How many strongest stems stand for a topic. A sentence elsewhere that holds two of them mentions the
/// topic.
const KEY_STEMS: usize = 6;
const EXAMPLE_CHARS_MAX: usize = 640;

/// Counts of everything that the document shows about one topic.
pub(crate) struct Signals {
    pages: BTreeSet<u32>,
    sentences: usize,
    figures: usize,
    counters: usize,
}

impl Signals {
    pub(crate) fn read(analysis: &Analysis, index: usize, own: &[(usize, &Sentence)]) -> Self {
        let key: BTreeSet<&str> = analysis.topics.get(index).map_or_else(BTreeSet::new, |topic| {
            let mut ranked: Vec<(&String, &f64)> = topic.vector.iter().collect();
            ranked.sort_by(|a, b| b.1.total_cmp(a.1).then_with(|| a.0.cmp(b.0)));
            ranked.into_iter().take(KEY_STEMS).map(|(stem, _)| stem.as_str()).collect()
        });
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for name in analysis.of_topic(index).flat_map(|(_, s)| &s.names) {
            *names.entry(name).or_default() += 1;
        }
        // A name that a topic uses twice belongs to the topic. A sentence elsewhere with that name mentions
        // it.
        names.retain(|_, count| *count >= 2);
        let mentions: Vec<&Sentence> = analysis
            .usable()
            .map(|(_, s)| s)
            .filter(|s| {
                let held: BTreeSet<&str> =
                    s.stems.iter().map(String::as_str).filter(|stem| key.contains(stem)).collect();
                s.topic == Some(index)
                    || held.len() >= 2
                    || s.names.iter().any(|name| names.contains_key(name.as_str()))
            })
            .collect();
        Self {
            pages: mentions.iter().map(|s| s.page).collect(),
            sentences: mentions.len(),
            figures: own.iter().map(|(_, s)| s.figures.len()).sum(),
            counters: own.iter().filter(|(_, s)| counter_signals::warns(s)).count(),
        }
    }

    /// The strength and its rationale. The document's own rating wins. Without one, three pages with five
    /// figures are HIGH, and two pages or three figures are MEDIUM.
    pub(crate) fn strength(
        &self,
        stated: Option<&(Strength, Option<String>)>,
        analysis: &Analysis,
        chosen: &[usize],
    ) -> (Strength, String) {
        let counted = match (self.pages.len(), self.figures) {
            (3.., 5..) => Strength::High,
            (2.., _) | (_, 3..) => Strength::Medium,
            _ => Strength::Low,
        };
        let strength = stated.map_or(counted, |(strength, _)| *strength);
        let opening = match stated {
            Some((strength, Some(reason))) => {
                format!("The document itself rates it {} (“{reason}”).", word(*strength))
            }
            Some((strength, None)) => format!("The document itself rates it {}.", word(*strength)),
            None => format!("Rated {} by what the document shows.", word(counted)),
        };
        let figures = match self.figures {
            0 => "without a figure".to_owned(),
            count => format!("with {}", words::counted(count, "figure", "figures")),
        };
        let pages: Vec<String> =
            self.pages.iter().map(|page| words::count_in_words(*page as usize)).collect();
        let unit = analysis.format.unit();
        let mut text = format!(
            "{opening} {} {} {} ({}) {} it up, {figures}",
            words::capitalised(&words::counted(self.sentences, "sentence", "sentences")),
            if unit == "section" { "in" } else { "on" },
            words::counted(self.pages.len(), unit, &format!("{unit}s")),
            words::listed(&pages),
            if self.sentences == 1 { "takes" } else { "take" },
        );
        let example = chosen
            .iter()
            .filter_map(|index| analysis.sentence(*index))
            .map(|s| (sentences::main_clause(&s.text), s.page))
            .find(|(clause, _)| !words::figures(clause).is_empty());
        match example {
            Some((clause, page)) => {
                let quoted = citations::part(analysis, clause, page, EXAMPLE_CHARS_MAX);
                text.push_str(&format!(", for example: {quoted}."));
            }
            None => text.push('.'),
        }
        if self.counters > 0 {
            text.push_str(&format!(
                " {} of counter-signals {} against it.",
                words::capitalised(&words::counted(self.counters, "sentence", "sentences")),
                if self.counters == 1 { "speaks" } else { "speak" },
            ));
        }
        (strength, text)
    }
}

const fn word(strength: Strength) -> &'static str {
    match strength {
        Strength::High => "high",
        Strength::Medium => "medium",
        Strength::Low => "low",
    }
}
