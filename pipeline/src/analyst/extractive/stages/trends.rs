//! Stage 2: the trends behind the inspirations, and how strong the document shows them to be.

use crate::{
    analyst::extractive::{
        analysis::{clusters, cues, ranking, result::Analysis, sentence::Sentence},
        stages::{evidence, strength::Signals},
        text::{key_phrases, lexicon::lexicon, names, role::Role, sentences, words},
    },
    stages::{Category, Direction, Outputs, SignalAmplification, Strength, Trend},
};

/// The most characters of a headline.
const HEADLINE_CHARS_MAX: usize = 120;
const TRENDS_MAX: usize = 6;
const QUOTES_MAX: usize = 3;
const NAME_CHARS_MAX: usize = 160;
const RATIONALE_CHARS_MAX: usize = 1_000;

/// One trend for each of the weightiest topics, in document order.
pub(crate) fn answer(analysis: &Analysis, earlier: &Outputs) -> SignalAmplification {
    let behind: Vec<(String, Vec<usize>)> = earlier
        .inspirations()
        .iter()
        .map(|inspiration| (inspiration.id.clone(), clusters::topics_behind(analysis, inspiration)))
        .collect();
    let mut chosen: Vec<usize> = clusters::majors(analysis).collect();
    let weight = |topic: &usize| analysis.topics.get(*topic).map_or(0.0, |topic| topic.weight);
    chosen.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then(a.cmp(b)));
    chosen.truncate(TRENDS_MAX);
    chosen.sort_unstable();
    let mut trends: Vec<Trend> = Vec::new();
    for topic in chosen {
        let ids = behind
            .iter()
            .filter(|(_, topics)| topics.contains(&topic))
            .map(|(id, _)| id.clone())
            .take(5)
            .collect();
        trends.extend(trend(analysis, topic, ids, &trends));
    }
    if trends.is_empty() {
        trends.extend(from_inspirations(earlier));
    }
    SignalAmplification { trends }
}

fn trend(analysis: &Analysis, index: usize, inspirations: Vec<String>, others: &[Trend]) -> Option<Trend> {
    let topic = analysis.topics.get(index)?;
    let own: Vec<(usize, &Sentence)> = analysis
        .of_topic(index)
        .filter(|(_, s)| s.quotable && !matches!(s.role, Role::Matter | Role::Aside))
        .collect();
    let candidates: Vec<usize> = own.iter().filter(|(_, s)| !s.objects).map(|(i, _)| *i).collect();
    let chosen = ranking::pick(analysis, &candidates, QUOTES_MAX, &[], signal_value);
    let mut chosen: Vec<usize> =
        if chosen.is_empty() { own.iter().map(|(i, _)| *i).take(1).collect() } else { chosen };
    let headline = if topic.named_by_document { None } else { headline(analysis, index) };
    if let Some(sentence) = headline.filter(|sentence| !chosen.contains(sentence)) {
        chosen.insert(0, sentence);
        chosen.truncate(QUOTES_MAX);
    }
    chosen.sort_unstable();
    let evidence: Vec<_> = chosen.iter().filter_map(|i| evidence::quote(analysis, *i)).collect();
    if evidence.is_empty() {
        return None;
    }
    let signals = Signals::read(analysis, index, &own);
    let name = if topic.named_by_document || names::is_name(&topic.heading) {
        topic.heading.clone()
    } else {
        phrase_name(analysis, index, others)
    };
    let category = topic.labels.category.unwrap_or_else(|| category(&own));
    let direction = topic.labels.direction.unwrap_or_else(|| direction(&own));
    let (strength, rationale) = signals.strength(topic.labels.strength.as_ref(), analysis, &chosen);
    Some(Trend {
        id: String::new(),
        name: words::clipped(&name, NAME_CHARS_MAX),
        category,
        strength,
        strength_rationale: words::clipped(&rationale, RATIONALE_CHARS_MAX),
        direction,
        inspirations,
        evidence,
    })
}

/// The sentence that states the result of a case best.
fn headline(analysis: &Analysis, topic: usize) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for (index, sentence) in analysis.of_topic(topic).filter(|(_, sentence)| sentence.quotable) {
        let clause = sentences::main_clause(&sentence.text);
        let Some(value) = cues::result_value(sentence) else {
            continue;
        };
        if clause.chars().count() <= HEADLINE_CHARS_MAX
            && best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt())
        {
            best = Some((value, index));
        }
    }
    best.map(|(_, index)| index)
}

/// How much a sentence shows of a movement among people: figures, adoption, change over time.
fn signal_value(s: &Sentence) -> f64 {
    let hit = |name: &str| s.stems.iter().filter(|stem| lexicon().signal(name, stem)).count().min(3) as f64;
    let figures = s.figures.len().min(3) as f64 * 0.15;
    let place = if matches!(s.role, Role::Context | Role::Lead) { 0.15 } else { 0.0 };
    let quoted = if s.text.starts_with(['“', '"', '‘']) { -0.4 } else { 0.0 };
    s.score + figures + place + quoted + 0.12 * (hit("adoption") + hit("growing") + hit("declining"))
}

fn hits(own: &[(usize, &Sentence)], name: &str) -> usize {
    own.iter().flat_map(|(_, s)| &s.stems).filter(|stem| lexicon().signal(name, stem)).count()
}

/// The category with the most signal words; ties go to the first of the list.
fn category(own: &[(usize, &Sentence)]) -> Category {
    let counts = [
        (Category::Behavioral, hits(own, "behavioral")),
        (Category::Technological, hits(own, "technological")),
        (Category::Cultural, hits(own, "cultural")),
        (Category::Economic, hits(own, "economic")),
    ];
    counts
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(Category::Behavioral, |(category, _)| *category)
}

/// The direction with the most signal words. A falling return rate is no falling trend, so decline must lead
/// clearly.
fn direction(own: &[(usize, &Sentence)]) -> Direction {
    let (growing, declining) = (hits(own, "growing"), hits(own, "declining"));
    let (emerging, stable) = (hits(own, "emerging"), hits(own, "stable"));
    if declining > growing * 2 + 2 {
        Direction::Declining
    } else if emerging > growing + stable {
        Direction::Emerging
    } else if stable > growing + declining {
        Direction::Stable
    } else {
        Direction::Growing
    }
}

/// A name where the document gives none: the topic's first key phrase that no other trend has.
fn phrase_name(analysis: &Analysis, index: usize, others: &[Trend]) -> String {
    let texts: Vec<&str> = analysis
        .of_topic(index)
        .filter(|(_, s)| s.role != Role::Counter)
        .map(|(_, s)| s.text.as_str())
        .collect();
    key_phrases::key_phrases(texts.into_iter(), &analysis.rarity, 5)
        .into_iter()
        .map(|phrase| words::capitalised(&phrase))
        .find(|phrase| others.iter().all(|other| other.name != *phrase))
        .or_else(|| analysis.topics.get(index).map(|topic| topic.heading.clone()))
        .filter(|name| name.chars().count() >= 3)
        .unwrap_or_else(|| "A change described in the document".to_owned())
}

/// The inspirations of stage 1 as trends of low strength, for a document without topics.
fn from_inspirations(earlier: &Outputs) -> Vec<Trend> {
    earlier
        .inspirations()
        .iter()
        .filter(|inspiration| !inspiration.evidence.is_empty())
        .take(TRENDS_MAX)
        .map(|inspiration| Trend {
            id: String::new(),
            name: words::clipped(&inspiration.title, NAME_CHARS_MAX),
            category: Category::Behavioral,
            strength: Strength::Low,
            strength_rationale: "The document shows it in one case only.".to_owned(),
            direction: Direction::Emerging,
            inspirations: vec![inspiration.id.clone()],
            evidence: inspiration
                .evidence
                .iter()
                .take(2)
                .map(|evidence| crate::stages::Evidence { status: None, ..evidence.clone() })
                .collect(),
        })
        .collect()
}
