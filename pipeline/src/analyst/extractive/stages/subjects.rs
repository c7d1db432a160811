//! Subjects: what each lesson is about, gathered from everything that the run knows of it.

use std::collections::{BTreeMap, HashSet};

use crate::{
    analyst::extractive::{
        analysis::{
            clusters,
            mechanisms::{self, Mechanism},
            result::Analysis,
            sentence::Sentence,
        },
        stages::{citations, products},
        text::{lexicon::lexicon, words},
    },
    brand::BrandProfile,
    stages::{Inspiration, Lesson, Outputs},
};

/// The subject of a lesson, gathered from the earlier stages and the document.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) lesson: &'a Lesson,
    pub(crate) inspirations: Vec<&'a Inspiration>,
    /// The topic behind it, if one was found.
    pub(crate) topic: Option<usize>,
    pub(crate) kinds: Vec<(f64, &'static Mechanism)>,
    /// The stemmed text of the lesson and its topic.
    pub(crate) text: String,
    pub(crate) concepts: BTreeMap<&'static str, f64>,
    pub(crate) class: &'static str,
}

pub(crate) fn subjects<'a>(analysis: &Analysis, earlier: &'a Outputs) -> Vec<Subject<'a>> {
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
            let heading =
                topic.and_then(|topic| analysis.topics.get(topic)).map_or("", |topic| topic.heading.as_str());
            let titles = format!("{} {heading}", lesson.title);
            let mut own = format!("{titles} {}", lesson_text(analysis, lesson));
            if topic.is_none() {
                for inspiration in &inspirations {
                    own.push_str(&format!(" {} {}", inspiration.summary, inspiration.mechanism));
                }
            }
            let text = words::stemmed(&own)
                + &topic.map_or_else(String::new, |topic| mechanisms::text_of(analysis, topic));
            let mut stems = words::content_stems(&own);
            stems.extend(
                topic
                    .iter()
                    .flat_map(|topic| analysis.of_topic(*topic))
                    .flat_map(|(_, s)| s.stems.iter().cloned()),
            );
            Subject {
                lesson,
                inspirations,
                topic,
                kinds: mechanisms::kinds_of(&text, &words::stemmed(&titles), &analysis.rarity),
                text,
                concepts: concept_shares(&stems),
                class: products::class_of_stems(&stems).unwrap_or("any"),
            }
        })
        .collect()
}

fn lesson_text(analysis: &Analysis, lesson: &Lesson) -> String {
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
    citations::without_places(&text, analysis.format)
}

/// The topic that holds most of the lesson's sentences, or else the most similar one.
fn topic_of(analysis: &Analysis, lesson: &Lesson, inspirations: &[&Inspiration]) -> Option<usize> {
    let plain = words::plain(&lesson_text(analysis, lesson));
    // The first words rule out nearly all sentences. Only the rest are searched for.
    let starts: HashSet<&str> =
        plain.match_indices(' ').filter_map(|(at, _)| words::first_words(plain.get(at..)?)).collect();
    let holds = |s: &Sentence| {
        words::first_words(&s.plain).is_none_or(|start| starts.contains(start)) && plain.contains(&s.plain)
    };
    let mut best: Option<(usize, usize)> = None;
    for topic in clusters::majors(analysis) {
        let held = analysis.of_topic(topic).filter(|(_, s)| s.word_count > 5 && holds(s)).count();
        if held > 0 && best.is_none_or(|(most, _)| held > most) {
            best = Some((held, topic));
        }
    }
    best.map(|(_, topic)| topic).or_else(|| clusters::nearest(analysis, &plain)).or_else(|| {
        inspirations.first().and_then(|first| clusters::topics_behind(analysis, first).first().copied())
    })
}

/// The share of each concept among all words that stand for a concept.
fn concept_shares(stems: &[String]) -> BTreeMap<&'static str, f64> {
    let counts = lexicon().concept_counts(stems.iter());
    let mut shares: BTreeMap<&'static str, f64> = BTreeMap::new();
    for (concept, count) in lexicon().concepts.iter().zip(counts).filter(|(_, count)| *count > 0) {
        shares.insert(concept.name, count as f64);
    }
    let total: f64 = shares.values().sum();
    for share in shares.values_mut() {
        *share /= total.max(1.0);
    }
    shares
}

impl Subject<'_> {
    /// Whether a product is of another field than the lesson's own case.
    pub(crate) fn is_foreign_to(&self, entry: &str, brand: &BrandProfile) -> bool {
        self.is_of_another_class(products::class_of(entry, &brand.industry))
    }

    /// Whether a class is another field. Services mostly serve durable goods, so those two are one field.
    pub(crate) fn is_of_another_class(&self, class: &str) -> bool {
        self.class != "any" && (class == "food") != (self.class == "food")
    }
}
