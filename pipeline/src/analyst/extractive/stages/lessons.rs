//! Stage 3: lessons, built only from what the document says.
//!
//! A lesson's principle is a sentence of the document that already speaks generally. Where there is none, the
//! explanation is quoted as what it is: a principle seen in one case.

use std::collections::BTreeSet;

use crate::{
    analyst::extractive::{
        analysis::{clusters, mechanisms, result::Analysis},
        stages::{citations, evidence, industries, jobs, maxims, parts, principles, reasons},
        text::words,
    },
    stages::{GeneralTranslation, Inspiration, JobToBeDone, Lesson, Outputs, Trend},
};

const LESSONS_MAX: usize = 7;
const TITLE_CHARS_MAX: usize = 160;
const PRINCIPLE_CHARS_MAX: usize = 780;
const WHY_CHARS_MAX: usize = 950;
const JOB_CHARS_MAX: usize = 480;
/// The text for a lesson whose reason the document does not give.
const NO_REASON: &str = "The document does not say why.";

pub(crate) fn answer(analysis: &Analysis, earlier: &Outputs) -> GeneralTranslation {
    let mut sources: Vec<(usize, Vec<&Inspiration>)> = Vec::new();
    let mut without_topic: Vec<&Inspiration> = Vec::new();
    for inspiration in earlier.inspirations() {
        let topics = clusters::topics_behind(analysis, inspiration);
        if topics.is_empty() {
            without_topic.push(inspiration);
        }
        for topic in topics {
            match sources.iter_mut().find(|(known, _)| *known == topic) {
                Some((_, list)) => list.push(inspiration),
                None => sources.push((topic, vec![inspiration])),
            }
        }
    }
    let all: Vec<usize> = sources.iter().map(|(topic, _)| *topic).collect();
    let maxims = maxims::maxims(analysis, &all);
    let plain_weight = |topic: usize| analysis.topics.get(topic).map_or(0.0, |topic| topic.weight);
    // If there are too many lessons, every inspiration keeps one. Topics with a maxim come before topics
    // without one.
    let heaviest: BTreeSet<usize> = earlier
        .inspirations()
        .iter()
        .filter_map(|inspiration| {
            let own = sources.iter().filter(|(_, from)| from.iter().any(|other| other.id == inspiration.id));
            own.map(|(topic, _)| *topic)
                .max_by(|a, b| plain_weight(*a).total_cmp(&plain_weight(*b)).then(b.cmp(a)))
        })
        .collect();
    let weight = |topic: usize| {
        let general = maxims.iter().any(|(of, _)| *of == topic);
        plain_weight(topic)
            + if general { 2.0 } else { 0.0 }
            + if heaviest.contains(&topic) { 4.0 } else { 0.0 }
    };
    sources.sort_by(|a, b| weight(b.0).total_cmp(&weight(a.0)).then(a.0.cmp(&b.0)));
    sources.truncate(LESSONS_MAX);
    sources.sort_by_key(|(topic, _)| *topic);
    let mut lessons: Vec<Lesson> = Vec::new();
    for (topic, from) in &sources {
        let maxim = maxims.iter().find(|(of, _)| of == topic).map(|(_, maxim)| *maxim);
        lessons.extend(lesson(analysis, *topic, from, maxim, earlier.trends(), &lessons));
    }
    let room = LESSONS_MAX.saturating_sub(lessons.len());
    lessons
        .extend(without_topic.into_iter().take(room).map(|inspiration| bare_lesson(analysis, inspiration)));
    for index in 1..lessons.len() {
        let (before, rest) = lessons.split_at_mut(index);
        if let Some(lesson) = rest.first_mut().filter(|lesson| before.iter().any(|b| b.title == lesson.title))
        {
            lesson.title = words::clipped(
                &format!("{} ({})", lesson.title, lesson.inspirations.join(", ")),
                TITLE_CHARS_MAX,
            );
        }
    }
    GeneralTranslation { lessons }
}

fn lesson(
    analysis: &Analysis,
    topic: usize,
    from: &[&Inspiration],
    maxim: Option<usize>,
    trends: &[Trend],
    others: &[Lesson],
) -> Option<Lesson> {
    let subject = analysis.topics.get(topic)?;
    let general = maxim
        .and_then(|minor| principles::general_of(analysis, minor))
        .or_else(|| principles::general_of(analysis, topic));
    let first = from.first()?;
    let cited = evidence::cited_pages(from);
    let mut explained = parts::explanation(analysis, topic);
    explained.retain(|index| analysis.sentence(*index).is_some_and(|s| evidence::is_covered(s, &cited)));
    let principle = match &general {
        Some(indexes) => citations::sentences(analysis, indexes, PRINCIPLE_CHARS_MAX),
        None if explained.is_empty() => seen_in_case(&first.mechanism),
        None => seen_in_case(&citations::sentences(analysis, &explained, PRINCIPLE_CHARS_MAX - 40)),
    };
    let mut used: Vec<usize> = general.unwrap_or(explained);
    let reason = reasons::why_it_works(analysis, topic, &used, &cited);
    let why = if reason.is_empty() {
        NO_REASON.to_owned()
    } else {
        citations::sentences(analysis, &reason, WHY_CHARS_MAX)
    };
    // A sentence that is the reason is not a constraint as well.
    used.extend(reason);
    let titles = words::stemmed(&subject.heading);
    let kinds = mechanisms::kinds_of(&mechanisms::text_of(analysis, topic), &titles, &analysis.rarity);
    let title = maxim
        .and_then(|minor| analysis.topics.get(minor))
        .map(|minor| minor.heading.clone())
        .or_else(|| {
            kinds
                .iter()
                .filter(|(sureness, mechanism)| *sureness >= 0.5 && mechanism.kind != mechanisms::GENERIC)
                .map(|(_, mechanism)| mechanism.label.to_owned())
                .find(|label| others.iter().all(|other| other.title != *label))
        })
        .unwrap_or_else(|| subject.heading.clone());
    let ids: Vec<String> = from.iter().map(|inspiration| inspiration.id.clone()).take(5).collect();
    Some(Lesson {
        id: String::new(),
        title: words::clipped(&title, TITLE_CHARS_MAX),
        principle: words::clipped(&principle, PRINCIPLE_CHARS_MAX),
        why_it_works: words::clipped(&why, WHY_CHARS_MAX),
        job_to_be_done: jobs::job(analysis, topic, &cited),
        transfers_to: industries::transfers_to(analysis, topic),
        constraints_removed: reasons::constraints_removed(analysis, topic, &used, &cited),
        trends: trends_of(analysis, topic, &ids, trends),
        inspirations: ids,
    })
}

/// A lesson from an inspiration that cannot be traced to a part of the document.
fn bare_lesson(analysis: &Analysis, inspiration: &Inspiration) -> Lesson {
    Lesson {
        id: String::new(),
        title: words::clipped(&inspiration.title, TITLE_CHARS_MAX),
        principle: seen_in_case(&inspiration.mechanism),
        why_it_works: NO_REASON.to_owned(),
        job_to_be_done: JobToBeDone {
            functional: words::clipped(&inspiration.summary, JOB_CHARS_MAX),
            emotional: None,
            social: None,
        },
        transfers_to: industries::or_not_named(industries::industries_in(
            analysis.sentences.iter().flat_map(|s| s.stems.iter()),
            &[],
        )),
        constraints_removed: Vec::new(),
        inspirations: vec![inspiration.id.clone()],
        trends: Vec::new(),
    }
}

fn seen_in_case(text: &str) -> String {
    words::clipped(&format!("Principle seen in one case: {text}"), PRINCIPLE_CHARS_MAX)
}

/// Trends whose quotes stand in the topic, else those that name one of the lesson's inspirations.
fn trends_of(analysis: &Analysis, topic: usize, ids: &[String], trends: &[Trend]) -> Vec<String> {
    let own: BTreeSet<&str> = analysis.of_topic(topic).map(|(_, s)| s.text.as_str()).collect();
    let by_quote: Vec<String> = trends
        .iter()
        .filter(|trend| trend.evidence.iter().any(|evidence| own.contains(evidence.quote.as_str())))
        .map(|trend| trend.id.clone())
        .take(6)
        .collect();
    if !by_quote.is_empty() {
        return by_quote;
    }
    let shared = |trend: &&Trend| trend.inspirations.iter().any(|id| ids.contains(id));
    let untraced = |trend: &&Trend| {
        let quotes: Vec<&str> = trend.evidence.iter().map(|evidence| evidence.quote.as_str()).collect();
        !analysis.sentences.iter().any(|s| quotes.contains(&s.text.as_str()))
    };
    trends.iter().filter(shared).filter(untraced).map(|trend| trend.id.clone()).take(6).collect()
}
