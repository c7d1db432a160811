//! Lessons × the brand's profile: which lesson could be carried by which product, and by what else in the
//! profile.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    analysis::Analysis,
    citations, clusters,
    lexicon::lexicon,
    mechanisms::{self, Mechanism, Variant},
    words,
};
use crate::{
    brand::BrandProfile,
    stages::{Inspiration, Lesson, Outputs},
};

/// So many of a variant's first signs count more.
const SURE_SIGNS: usize = 5;
/// What a lesson loses on a product of another class than its own case: it can be carried over, but less surely.
const OTHER_CLASS_FACTOR: f64 = 0.65;
/// Of a lesson's kinds so many are tried, and the fallback.
const KINDS_MAX: usize = 4;

/// What a lesson is about, gathered from everything that earlier stages and the document say of it.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) lesson: &'a Lesson,
    pub(super) inspirations: Vec<&'a Inspiration>,
    /// The part of the document behind it, where it can be told.
    pub(super) topic: Option<usize>,
    kinds: Vec<(f64, &'static Mechanism)>,
    /// What it is about, stemmed.
    text: String,
    concepts: BTreeMap<&'static str, f64>,
    class: &'static str,
}

/// A lesson carried by a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    pub(super) score: f64,
    /// Indexes into the subjects and the profile's portfolio.
    pub(super) subject: usize,
    pub(super) product: usize,
    pub(super) mechanism: &'static Mechanism,
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
                class: class_of_stems(&stems).unwrap_or("any"),
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

/// The topic with most of the lesson's own sentences; without any, the one most like it.
fn topic_of(analysis: &Analysis, lesson: &Lesson, inspirations: &[&Inspiration]) -> Option<usize> {
    let plain = words::plain(&lesson_text(analysis, lesson));
    let mut best: Option<(usize, usize)> = None;
    for topic in clusters::majors(analysis) {
        let held =
            analysis.of_topic(topic).filter(|(_, s)| s.word_count > 5 && plain.contains(&s.plain)).count();
        if held > 0 && best.is_none_or(|(most, _)| held > most) {
            best = Some((held, topic));
        }
    }
    best.map(|(_, topic)| topic).or_else(|| clusters::nearest(analysis, &plain)).or_else(|| {
        inspirations.first().and_then(|first| clusters::topics_behind(analysis, first).first().copied())
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
    class_of_stems(&words::stems_of_phrase(entry))
        .or_else(|| class_of_stems(&words::stems_of_phrase(industry)))
        .unwrap_or("any")
}

/// The class that most of some stems stand for.
fn class_of_stems(stems: &[String]) -> Option<&'static str> {
    ["food", "durable", "service"]
        .into_iter()
        .rev()
        .map(|class| {
            let concepts = lexicon().concepts.iter().filter(|concept| concept.broader == class);
            (
                concepts
                    .map(|concept| stems.iter().filter(|stem| concept.stems.contains(*stem)).count())
                    .sum::<usize>(),
                class,
            )
        })
        .filter(|(hits, _)| *hits > 0)
        .max_by_key(|(hits, _)| *hits)
        .map(|(_, class)| class)
}

/// The name of a profile's entry without what it says of it: "Quechua - hiking gear" → "Quechua". A common noun
/// ("Footwear - hiking shoes") is written as one.
pub(super) fn short_name(entry: &str) -> String {
    let (name, common) = name_of(entry);
    if common { words::lowercased(&name) } else { name }
}

/// A product as a sentence calls it: a proper name as it is, a common noun with its owner ("Northwind’s boots").
pub(super) fn owned_name(entry: &str, owner: &str) -> String {
    match name_of(entry) {
        (name, true) => format!("{owner} {}", words::lowercased(&name)),
        (name, false) => name,
    }
}

/// The name of an entry, and whether it is a common noun.
fn name_of(entry: &str) -> (String, bool) {
    let first = |marks: &[&str]| marks.iter().filter_map(|mark| entry.find(mark)).filter(|at| *at > 1).min();
    // A comma inside a name ("Astra, Bora and Cima - bicycles") ends it only where nothing else does.
    let cut = first(&[" - ", " – ", " — ", " (", ": "]).or_else(|| first(&[", "]));
    let name = words::clipped(entry.get(..cut.unwrap_or(entry.len())).unwrap_or(entry).trim(), 60);
    let mut tokens = name.split_whitespace();
    let first = tokens.next().unwrap_or_default();
    let common = tokens.all(|token| !token.chars().any(char::is_uppercase)) && {
        let stem = words::stem(first);
        COMMON_NOUNS.contains(&stem.as_str())
            || lexicon().concepts.iter().any(|concept| concept.stems.contains(&stem))
    };
    let plain_case = first.chars().skip(1).all(|c| c.is_lowercase() || c == '-');
    (name, common && plain_case)
}

/// First words of common product names, stemmed, besides those that stand for a concept.
const COMMON_NOUNS: [&str; 4] = ["pack", "accessori", "product", "cloth"];

/// Everything of a profile that templates may speak of.
fn profile_text(brand: &BrandProfile) -> String {
    let lists = [
        &brand.product_portfolio,
        &brand.target_customers,
        &brand.recent_innovations,
        &brand.strategic_priorities,
        &brand.brand_values,
    ];
    lists.iter().flat_map(|list| list.iter()).map(|entry| format!("{entry}. ")).collect()
}

/// A product of the portfolio, with what is asked of it for every lesson.
struct Carrier {
    class: &'static str,
    stems: BTreeSet<String>,
    concepts: BTreeSet<&'static str>,
}

/// Every lesson with every product that could carry it, best first.
pub(super) fn matches(subjects: &[Subject<'_>], brand: &BrandProfile) -> Vec<Match> {
    let carriers: Vec<Carrier> = brand
        .product_portfolio
        .iter()
        .map(|entry| Carrier {
            class: class_of(entry, &brand.industry),
            stems: words::stems_of_phrase(entry).into_iter().collect(),
            concepts: concepts_of(entry),
        })
        .collect();
    let plans: Vec<Vec<String>> = brand
        .strategic_priorities
        .iter()
        .chain(&brand.recent_innovations)
        .map(|text| words::stems_of_phrase(text))
        .collect();
    let profile = words::stemmed(&profile_text(brand));
    let mut found: Vec<Match> = Vec::new();
    for (subject_index, subject) in subjects.iter().enumerate() {
        let said = format!("{}{profile}", subject.text);
        for (product_index, carrier) in carriers.iter().enumerate() {
            let surest = subject.kinds.iter().take(KINDS_MAX);
            let fallback = subject
                .kinds
                .iter()
                .skip(KINDS_MAX)
                .filter(|(_, mechanism)| mechanism.kind == mechanisms::GENERIC);
            for (sureness, mechanism) in surest.chain(fallback) {
                let Some(variant) = mechanism.variant_for(carrier.class, &said) else { continue };
                let score = score(subject, carrier, &plans, *sureness, variant);
                let (subject, product) = (subject_index, product_index);
                found.push(Match { score, subject, product, mechanism, variant });
                // A short document with a short profile needs more than one thing to do with a product.
                if mechanism.kind == mechanisms::GENERIC {
                    let others = mechanism.variants.iter().filter(|other| other.title != variant.title);
                    found.extend(others.map(|variant| Match {
                        score: 0.0,
                        subject,
                        product,
                        mechanism,
                        variant,
                    }));
                }
            }
        }
    }
    // What shows no sign of carrying is kept last, so that a poor profile still gets its five.
    found.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then((a.subject, a.product).cmp(&(b.subject, b.product)))
    });
    found
}

/// Only what fits any product does without a sign in the profile's own words.
fn needs_signs(variant: &Variant) -> bool {
    variant.class != "any"
}

/// How well a product carries a lesson; `plans` are the stems of what the profile plans and has lately done.
fn score(
    subject: &Subject<'_>,
    carrier: &Carrier,
    plans: &[Vec<String>],
    sureness: f64,
    variant: &Variant,
) -> f64 {
    // The first signs of a list are the surest.
    let fit: f64 = variant
        .fits
        .iter()
        .enumerate()
        .filter(|(_, sign)| carrier.stems.contains(*sign))
        .map(|(order, _)| if order < SURE_SIGNS { 0.32 } else { 0.12 })
        .sum::<f64>()
        .min(1.2);
    if fit <= 0.0 && needs_signs(variant) {
        return 0.0;
    }
    let shared: f64 =
        carrier.concepts.iter().filter_map(|concept| subject.concepts.get(concept)).sum::<f64>().min(0.8);
    let pull: f64 = plans
        .iter()
        .map(|stems| stems.iter().filter(|stem| variant.fits.contains(*stem)).count().min(3) as f64)
        .sum::<f64>()
        .min(5.0)
        * 0.03;
    // The kind must be clear before anything else counts.
    let factor = if subject.is_of_another_class(carrier.class) { OTHER_CLASS_FACTOR } else { 1.0 };
    factor * sureness * sureness * (0.25 + fit + shared + pull)
}

impl Subject<'_> {
    /// Whether a product is of another field than the lesson's own case.
    pub(super) fn is_foreign_to(&self, entry: &str, brand: &BrandProfile) -> bool {
        self.is_of_another_class(class_of(entry, &brand.industry))
    }

    /// What is done for durable goods is mostly a service, so these two are one field.
    fn is_of_another_class(&self, class: &str) -> bool {
        self.class != "any" && (class == "food") != (self.class == "food")
    }
}

/// The entry of a profile's list that has most to do with some text, with how much; the first on a tie.
///
/// `words_min` content words must be shared outright; concepts alone do not tell enough for every list.
pub(super) fn nearest_entry<'e>(
    entries: &'e [String],
    text: &str,
    taken: &[&str],
    words_min: usize,
) -> Option<(f64, &'e str)> {
    // Words of every profile.
    const BLAND: [&str; 6] = ["product", "brand", "develop", "rang", "line", "custom"];
    let concepts = concepts_of(text);
    let stems: BTreeSet<String> = words::content_stems(text).into_iter().collect();
    let mut best: Option<(f64, &str)> = None;
    for entry in entries.iter().filter(|entry| !taken.contains(&entry.as_str())) {
        let own: BTreeSet<String> = words::content_stems(entry).into_iter().collect();
        let shared_words =
            own.iter().filter(|stem| stems.contains(*stem) && !BLAND.contains(&stem.as_str())).count();
        let shared_concepts = concepts_of(entry).intersection(&concepts).count();
        let value = shared_words as f64 + shared_concepts as f64 * 0.7;
        if value > 0.0
            && shared_words >= words_min
            && best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt())
        {
            best = Some((value, entry));
        }
    }
    best
}
