//! Stage 3: lessons, built only from what the document says.
//!
//! A lesson's principle is a sentence of the document that already speaks generally. Where there is none, the
//! explanation is quoted as what it is: a principle seen in one case.

use std::collections::BTreeSet;

use super::{
    analysis::{Analysis, Sentence},
    citations, clusters, inspirations, jobs,
    lexicon::{Role, lexicon},
    mechanisms, principles, ranking, words,
};
use crate::stages::{GeneralTranslation, Inspiration, JobToBeDone, Lesson, Outputs, Trend};

const LESSONS_MAX: usize = 7;
const TITLE_CHARS_MAX: usize = 160;
const PRINCIPLE_CHARS_MAX: usize = 780;
const WHY_CHARS_MAX: usize = 950;
const JOB_CHARS_MAX: usize = 480;
const CONSTRAINT_CHARS_MAX: usize = 390;
/// What stands where the document gives no reason apart from the principle.
const NO_REASON: &str = "The document does not say why.";
const TRANSFERS_MAX: usize = 6;
/// Of a topic's kinds so many are held against a maxim.
const KINDS_MAX: usize = 4;
/// A short general section ("1. Publish the tally") this like a topic speaks of it.
const MAXIM_LIKENESS_MIN: f64 = 0.12;

pub(super) fn answer(analysis: &Analysis, earlier: &Outputs) -> GeneralTranslation {
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
    let maxims = maxims(analysis, &all);
    let plain_weight = |topic: usize| analysis.topics.get(topic).map_or(0.0, |topic| topic.weight);
    // Should there be too many: every inspiration teaches something, and what the document itself puts
    // generally comes before what it does not.
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

/// Pairs topics with the short sections that put them generally; each is used once, the most alike first.
fn maxims(analysis: &Analysis, topics: &[usize]) -> Vec<(usize, usize)> {
    let kinds: Vec<_> = topics
        .iter()
        .map(|topic| {
            (*topic, mechanisms::kinds_of(&mechanisms::text_of(analysis, *topic), "", &analysis.rarity))
        })
        .collect();
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (minor, section) in analysis.topics.iter().enumerate().filter(|(_, topic)| !topic.major) {
        if principles::general_of(analysis, minor).is_none() || section.heading.split(' ').count() > 9 {
            continue;
        }
        // Only what stands under the maxim itself: doubts and programmes further down speak of everything.
        let own: Vec<&Sentence> = analysis
            .of_topic(minor)
            .map(|(_, s)| s)
            .filter(|s| matches!(s.role, Role::Lead | Role::Context))
            .collect();
        let mut stems = words::content_stems(&section.heading);
        stems.extend(own.iter().flat_map(|s| s.stems.iter().cloned()));
        let mut text = words::stemmed(&section.heading);
        own.iter().for_each(|s| text.push_str(&s.stemmed));
        let vector = ranking::vector(&stems, &analysis.rarity);
        for (topic, kinds) in &kinds {
            if let Some(major) = analysis.topics.get(*topic) {
                // A maxim in the words of a topic's kind of mechanism is surely about it.
                let shared = kinds
                    .iter()
                    .take(KINDS_MAX)
                    .map(|(sureness, mechanism)| sureness * sureness * mechanism.affinity(&text).min(4.0))
                    .max_by(f64::total_cmp)
                    .unwrap_or(0.0);
                let likeness = ranking::cosine(&vector, &major.vector) + shared * 0.1;
                pairs.push((likeness, *topic, minor));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut chosen: Vec<(usize, usize)> = Vec::new();
    for (likeness, topic, minor) in pairs {
        if likeness >= MAXIM_LIKENESS_MIN && chosen.iter().all(|(t, m)| *t != topic && *m != minor) {
            chosen.push((topic, minor));
        }
    }
    chosen
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
    let cited = cited_pages(from);
    let mut explained = inspirations::explanation(analysis, topic);
    explained.retain(|index| analysis.sentence(*index).is_some_and(|s| is_covered(s, &cited)));
    let principle = match &general {
        Some(indexes) => citations::sentences(analysis, indexes, PRINCIPLE_CHARS_MAX),
        None if explained.is_empty() => seen_in_case(&first.mechanism),
        None => seen_in_case(&citations::sentences(analysis, &explained, PRINCIPLE_CHARS_MAX - 40)),
    };
    let mut used: Vec<usize> = general.unwrap_or(explained);
    let reason = why_it_works(analysis, topic, &used, &cited);
    let why = if reason.is_empty() {
        NO_REASON.to_owned()
    } else {
        citations::sentences(analysis, &reason, WHY_CHARS_MAX)
    };
    // What has been said as the reason is not said again as a constraint.
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
        transfers_to: transfers_to(analysis, topic),
        constraints_removed: constraints_removed(analysis, topic, &used, &cited),
        trends: trends_of(analysis, topic, &ids, trends),
        inspirations: ids,
    })
}

/// The pages that a lesson's inspirations cite.
fn cited_pages(from: &[&Inspiration]) -> BTreeSet<u32> {
    from.iter().flat_map(|inspiration| &inspiration.evidence).map(|evidence| evidence.page).collect()
}

/// A figure may be named only where the lesson's evidence covers its page.
pub(super) fn is_covered(s: &Sentence, cited: &BTreeSet<u32>) -> bool {
    cited.contains(&s.page) || !s.text.chars().any(|c| c.is_ascii_digit())
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
        transfers_to: or_not_named(industries_in(
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

fn best_of<'a>(
    candidates: impl Iterator<Item = (usize, &'a Sentence)>,
    value: impl Fn(&Sentence) -> f64,
) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for (index, sentence) in candidates {
        let value = value(sentence);
        if best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt()) {
            best = Some((value, index));
        }
    }
    best.map(|(_, index)| index)
}

/// The document's own reason: a "because" about the case, else a sentence under "Why it works".
fn why_it_works(analysis: &Analysis, topic: usize, used: &[usize], cited: &BTreeSet<u32>) -> Vec<usize> {
    let candidates = |(index, s): &(usize, &Sentence)| {
        s.quotable
            && !s.leans
            && !s.objects
            && is_covered(s, cited)
            && !used.contains(index)
            && !jobs::is_job(s)
            && !s.text.starts_with(['“', '"'])
            // What neither explains nor measures is no reason.
            && (s.cause > 0 || !s.figures.is_empty() || matches!(s.role, Role::Reason | Role::Mechanism | Role::Result))
            && !matches!(s.role, Role::Counter | Role::Outlook | Role::Aside | Role::Matter)
    };
    let best = best_of(analysis.of_topic(topic).filter(candidates), |s| {
        let role = match s.role {
            Role::Reason => 0.5,
            Role::Mechanism => 0.35,
            Role::Result => 0.2,
            _ => 0.0,
        };
        let because = [" because ", " since ", " as a result "].iter().any(|mark| s.plain.contains(mark));
        role + if because { 0.6 } else { 0.0 } + f64::from(s.cause.min(6)) * 0.06 + s.score * 0.3
    });
    let Some(first) = best else { return Vec::new() };
    let next = analysis.sentence(first + 1).filter(|s| {
        analysis.adjoins(first, first + 1)
            && s.quotable
            && s.leans
            && s.word_count <= 30
            && !jobs::is_job(s)
            && is_covered(s, cited)
    });
    let mut indexes = vec![first];
    indexes.extend(next.map(|_| first + 1));
    indexes
}

/// Industries in which the document has seen it, then those that the document speaks of besides.
fn transfers_to(analysis: &Analysis, topic: usize) -> Vec<String> {
    let seen = analysis.topics.get(topic).map(|topic| topic.labels.seen_in.clone()).unwrap_or_default();
    if seen.len() >= 3 {
        return seen.into_iter().map(|item| words::clipped(&item, 120)).take(TRANSFERS_MAX).collect();
    }
    let mut own = industries_in(analysis.of_topic(topic).flat_map(|(_, s)| s.stems.iter()), &seen);
    if own.len() < 3 {
        own = industries_in(analysis.usable().flat_map(|(_, s)| s.stems.iter()), &own);
    }
    or_not_named(own)
}

fn or_not_named(industries: Vec<String>) -> Vec<String> {
    if industries.is_empty() { vec!["Not named by the document".to_owned()] } else { industries }
}

/// Industries by how often the words for them occur, after those already known.
fn industries_in<'a>(stems: impl Iterator<Item = &'a String>, known: &[String]) -> Vec<String> {
    let stems: Vec<&String> = stems.collect();
    let mut counts: Vec<(usize, &str)> = lexicon()
        .industries
        .iter()
        .map(|(name, words)| (stems.iter().filter(|stem| words.contains(**stem)).count(), *name))
        .filter(|(count, _)| *count >= 2)
        .collect();
    counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let mut found: Vec<String> = known.to_vec();
    for (_, name) in counts {
        if !found.iter().any(|item| item == name) {
            found.push(name.to_owned());
        }
    }
    found.truncate(TRANSFERS_MAX);
    found
}

/// What stood in the way and was taken away, in the document's sentences.
fn constraints_removed(
    analysis: &Analysis,
    topic: usize,
    used: &[usize],
    cited: &BTreeSet<u32>,
) -> Vec<String> {
    let candidates: Vec<usize> = analysis
        .of_topic(topic)
        .filter(|(index, s)| {
            s.quotable
                && !s.leans
                && !s.objects
                && is_covered(s, cited)
                && !used.contains(index)
                && s.text.chars().count() + 20 <= CONSTRAINT_CHARS_MAX
                && !s.text.starts_with(['“', '"'])
                && lexicon().marker_weight("barrier", &s.plain) >= 3
                && !jobs::is_job(s)
                && matches!(s.role, Role::Mechanism | Role::Case | Role::Result | Role::Reason)
        })
        .map(|(index, _)| index)
        .collect();
    let mut chosen = ranking::pick(analysis, &candidates, 2, used, |s| {
        let place = if matches!(s.role, Role::Mechanism | Role::Result | Role::Case) { 0.2 } else { 0.0 };
        f64::from(lexicon().marker_weight("barrier", &s.plain).min(9)) * 0.1 + s.score * 0.3 + place
    });
    chosen.sort_unstable();
    chosen.iter().map(|index| citations::sentences(analysis, &[*index], CONSTRAINT_CHARS_MAX)).collect()
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
