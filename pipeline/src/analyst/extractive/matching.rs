//! Lessons × the brand's profile: which lesson could be carried by which product, and by what else in the
//! profile.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    analysis::Analysis,
    clusters,
    lexicon::lexicon,
    plays::{self, Play, Variant},
    words,
};
use crate::{
    brand::BrandProfile,
    stages::{Inspiration, Lesson, Outputs},
};

/// What a lesson is about, gathered from everything that earlier stages and the document say of it.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) lesson: &'a Lesson,
    pub(super) inspirations: Vec<&'a Inspiration>,
    /// The part of the document behind it, where it can be told.
    pub(super) topic: Option<usize>,
    kinds: Vec<(f64, &'static Play)>,
    concepts: BTreeMap<&'static str, f64>,
}

/// A lesson carried by a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    pub(super) score: f64,
    /// Indexes into the subjects and the profile's portfolio.
    pub(super) subject: usize,
    pub(super) product: usize,
    pub(super) play: &'static Play,
    pub(super) variant: &'static Variant,
}

pub(super) fn subjects<'a>(analysis: &Analysis, earlier: &'a Outputs) -> Vec<Subject<'a>> {
    earlier
        .lessons()
        .iter()
        .map(|lesson| {
            let inspirations: Vec<&Inspiration> = earlier
                .inspirations()
                .iter()
                .filter(|inspiration| lesson.inspirations.contains(&inspiration.id))
                .collect();
            let topic = topic_of(analysis, lesson, &inspirations);
            let mut stems = words::content_stems(&lesson_text(lesson));
            match topic {
                Some(topic) => stems.extend(
                    analysis
                        .of_topic(topic)
                        .flat_map(|(_, s)| s.stems.iter().cloned()),
                ),
                None => {
                    for inspiration in &inspirations {
                        stems.extend(words::content_stems(&inspiration.title));
                        stems.extend(words::content_stems(&inspiration.summary));
                        stems.extend(words::content_stems(&inspiration.mechanism));
                    }
                }
            }
            let heading = topic
                .and_then(|topic| analysis.topics.get(topic))
                .map(|topic| topic.heading.as_str());
            // What a text calls itself says more of its kind than what it mentions.
            for _ in 0..3 {
                stems.extend(words::content_stems(&lesson.title));
                stems.extend(heading.iter().flat_map(|heading| words::content_stems(heading)));
            }
            Subject {
                lesson,
                inspirations,
                topic,
                kinds: plays::kinds_of(&stems, &analysis.rarity),
                concepts: concept_shares(&stems),
            }
        })
        .collect()
}

fn lesson_text(lesson: &Lesson) -> String {
    let mut text = format!(
        "{} {} {} {}",
        lesson.title, lesson.principle, lesson.why_it_works, lesson.job_to_be_done.functional
    );
    for part in lesson
        .constraints_removed
        .iter()
        .chain(&lesson.job_to_be_done.social)
        .chain(&lesson.job_to_be_done.emotional)
    {
        text.push(' ');
        text.push_str(part);
    }
    text
}

/// The topic with most of the lesson's own sentences; without any, the one most like it.
fn topic_of(analysis: &Analysis, lesson: &Lesson, inspirations: &[&Inspiration]) -> Option<usize> {
    let plain = words::plain(&lesson_text(lesson));
    let mut best: Option<(usize, usize)> = None;
    for topic in clusters::majors(analysis) {
        let held = analysis
            .of_topic(topic)
            .filter(|(_, s)| s.word_count > 5 && plain.contains(&s.plain))
            .count();
        if held > 0 && best.is_none_or(|(most, _)| held > most) {
            best = Some((held, topic));
        }
    }
    best.map(|(_, topic)| topic)
        .or_else(|| clusters::nearest(analysis, &plain))
        .or_else(|| {
            inspirations
                .first()
                .and_then(|first| clusters::topics_behind(analysis, first).first().copied())
        })
}

/// The share of each concept among a text's words that stand for any.
fn concept_shares(stems: &[String]) -> BTreeMap<&'static str, f64> {
    let mut shares: BTreeMap<&'static str, f64> = BTreeMap::new();
    for concept in &lexicon().concepts {
        let count = stems.iter().filter(|stem| concept.stems.contains(*stem)).count();
        if count > 0 {
            shares.insert(concept.name, count as f64);
        }
    }
    let total: f64 = shares.values().sum();
    for share in shares.values_mut() {
        *share /= total.max(1.0);
    }
    shares
}

/// The concepts that a text of the profile stands for.
pub(super) fn concepts_of(text: &str) -> BTreeSet<&'static str> {
    let stems: BTreeSet<String> = words::stems_of_phrase(text).into_iter().collect();
    lexicon()
        .concepts
        .iter()
        .filter(|concept| concept.stems.intersection(&stems).next().is_some())
        .map(|concept| concept.name)
        .collect()
}

/// The class of a product: food, durable, service, or nothing that the word lists know.
pub(super) fn class_of(entry: &str, industry: &str) -> &'static str {
    let weigh = |text: &str| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let stems: BTreeSet<String> = words::stems_of_phrase(text).into_iter().collect();
        for concept in &lexicon().concepts {
            let hits = concept.stems.intersection(&stems).count();
            if matches!(concept.broader, "food" | "durable") {
                *counts.entry(concept.broader).or_default() += hits;
            }
        }
        counts
            .into_iter()
            .filter(|(_, hits)| *hits > 0)
            .max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)))
            .map(|(class, _)| class)
    };
    match weigh(entry).or_else(|| weigh(industry)) {
        Some("food") => "food",
        Some("durable") => "durable",
        _ => "any",
    }
}

/// The name of a profile's entry without what it says of it: "Quechua - hiking gear" → "Quechua".
pub(super) fn short_name(entry: &str) -> String {
    let cut = [" - ", " – ", " — ", " (", ": ", ", "]
        .iter()
        .filter_map(|mark| entry.find(mark))
        .filter(|at| *at > 1)
        .min();
    words::clipped(
        entry.get(..cut.unwrap_or(entry.len())).unwrap_or(entry).trim(),
        60,
    )
}

/// Every lesson with every product that could carry it, best first.
pub(super) fn matches(subjects: &[Subject<'_>], brand: &BrandProfile) -> Vec<Match> {
    let mut found: Vec<Match> = Vec::new();
    for (subject_index, subject) in subjects.iter().enumerate() {
        for (product_index, entry) in brand.product_portfolio.iter().enumerate() {
            let class = class_of(entry, &brand.industry);
            for (sureness, play) in subject.kinds.iter().take(4) {
                let variant = play
                    .variants
                    .iter()
                    .find(|variant| variant.class == class || variant.class == "any");
                let Some(variant) = variant else { continue };
                let score = score(subject, entry, brand, *sureness, variant);
                found.push(Match {
                    score,
                    subject: subject_index,
                    product: product_index,
                    play,
                    variant,
                });
            }
        }
    }
    found.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then((a.subject, a.product).cmp(&(b.subject, b.product)))
    });
    found
}

fn score(subject: &Subject<'_>, entry: &str, brand: &BrandProfile, sureness: f64, variant: &Variant) -> f64 {
    let stems: BTreeSet<String> = words::stems_of_phrase(entry).into_iter().collect();
    let fit = stems.intersection(&variant.fits).count().min(4) as f64 * 0.22;
    let shared: f64 = concepts_of(entry)
        .iter()
        .filter_map(|concept| subject.concepts.get(concept))
        .sum::<f64>()
        .min(0.8);
    let pull: f64 = brand
        .strategic_priorities
        .iter()
        .chain(&brand.recent_innovations)
        .map(|text| {
            words::stems_of_phrase(text)
                .iter()
                .filter(|stem| variant.fits.contains(*stem))
                .count()
                .min(3) as f64
        })
        .sum::<f64>()
        .min(5.0)
        * 0.03;
    // The kind must be clear before anything else counts.
    sureness * sureness * (0.25 + fit + shared + pull)
}

/// The entry of a profile's list that has most to do with some text, with how much; the first on a tie.
pub(super) fn nearest_entry<'e>(entries: &'e [String], text: &str, taken: &[&str]) -> Option<(f64, &'e str)> {
    let concepts = concepts_of(text);
    let stems: BTreeSet<String> = words::content_stems(text).into_iter().collect();
    let mut best: Option<(f64, &str)> = None;
    for entry in entries.iter().filter(|entry| !taken.contains(&entry.as_str())) {
        let shared_words = words::content_stems(entry)
            .iter()
            .filter(|stem| stems.contains(*stem))
            .count();
        let shared_concepts = concepts_of(entry).intersection(&concepts).count();
        let value = shared_words as f64 + shared_concepts as f64 * 0.7;
        if value > 0.0 && best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt()) {
            best = Some((value, entry));
        }
    }
    best
}
