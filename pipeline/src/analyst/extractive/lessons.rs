//! Stage 3: lessons, built only from what the document says.
//!
//! A lesson's principle is a sentence of the document that already speaks generally. Where there is none, the
//! explanation is quoted as what it is: a principle seen in one case.

use std::collections::BTreeSet;

use super::{
    analysis::{Analysis, Sentence},
    clusters, inspirations,
    lexicon::{Role, lexicon},
    plays, ranking, sentences, words,
};
use crate::stages::{GeneralTranslation, Inspiration, JobToBeDone, Lesson, Outputs, Trend};

const LESSONS_MAX: usize = 7;
const TITLE_CHARS_MAX: usize = 160;
const PRINCIPLE_CHARS_MAX: usize = 780;
const WHY_CHARS_MAX: usize = 950;
const JOB_CHARS_MAX: usize = 480;
const CONSTRAINT_CHARS_MAX: usize = 390;
const TRANSFERS_MAX: usize = 6;
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
    // What the document itself puts generally comes first, should there be too many.
    let weight = |topic: usize| {
        let general = maxims.iter().any(|(of, _)| *of == topic);
        analysis.topics.get(topic).map_or(0.0, |topic| topic.weight) + if general { 2.0 } else { 0.0 }
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
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (minor, section) in analysis.topics.iter().enumerate().filter(|(_, topic)| !topic.major) {
        if general_of(analysis, minor).is_none() || section.heading.split(' ').count() > 9 {
            continue;
        }
        // Only what stands under the maxim itself: doubts and programmes further down speak of everything.
        let own = analysis.of_topic(minor).filter(|(_, s)| matches!(s.role, Role::Lead | Role::Context));
        let mut stems = words::content_stems(&section.heading);
        stems.extend(own.flat_map(|(_, s)| s.stems.iter().cloned()));
        let vector = ranking::vector(&stems, &analysis.rarity);
        for topic in topics {
            if let Some(major) = analysis.topics.get(*topic) {
                // A maxim in the words of a topic's kind of mechanism is surely about it.
                let kinds = plays::kinds_of(&topic_stems(analysis, *topic), &analysis.rarity);
                let signs = kinds
                    .iter()
                    .filter(|(sureness, _)| *sureness >= 0.6)
                    .map(|(_, play)| play.signs(&stems))
                    .max()
                    .unwrap_or(0);
                let likeness = ranking::cosine(&vector, &major.vector) + signs.min(3) as f64 * 0.1;
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
    let general = maxim.and_then(|minor| general_of(analysis, minor)).or_else(|| general_of(analysis, topic));
    let first = from.first()?;
    let cited = cited_pages(from);
    let explained = explanation(analysis, topic, &cited);
    let principle = match (&general, explained) {
        (Some(indexes), _) => inspirations::prose(analysis, indexes, PRINCIPLE_CHARS_MAX),
        (None, Some(index)) => {
            let text = analysis.sentence(index).map_or("", |s| s.text.as_str());
            seen_in_document(text)
        }
        (None, None) => seen_in_document(&first.mechanism),
    };
    let used: Vec<usize> = general.clone().unwrap_or_else(|| explained.into_iter().collect());
    let why = why_it_works(analysis, topic, &used, &cited).unwrap_or_else(|| first.mechanism.clone());
    let kinds = plays::kinds_of(&topic_stems(analysis, topic), &analysis.rarity);
    let title = maxim
        .and_then(|minor| analysis.topics.get(minor))
        .map(|minor| minor.heading.clone())
        .or_else(|| {
            kinds
                .iter()
                .filter(|(sureness, play)| *sureness >= 0.5 && play.kind != plays::GENERIC)
                .map(|(_, play)| play.label.to_owned())
                .find(|label| others.iter().all(|other| other.title != *label))
        })
        .unwrap_or_else(|| subject.heading.clone());
    let ids: Vec<String> = from.iter().map(|inspiration| inspiration.id.clone()).take(5).collect();
    Some(Lesson {
        id: String::new(),
        title: words::clipped(&title, TITLE_CHARS_MAX),
        principle: words::clipped(&principle, PRINCIPLE_CHARS_MAX),
        why_it_works: words::clipped(&why, WHY_CHARS_MAX),
        job_to_be_done: job(analysis, topic, &cited),
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
fn is_covered(s: &Sentence, cited: &BTreeSet<u32>) -> bool {
    cited.contains(&s.page) || !s.text.chars().any(|c| c.is_ascii_digit())
}

fn topic_stems(analysis: &Analysis, topic: usize) -> Vec<String> {
    analysis.of_topic(topic).flat_map(|(_, s)| s.stems.iter().cloned()).collect()
}

/// A lesson from an inspiration that cannot be traced to a part of the document.
fn bare_lesson(analysis: &Analysis, inspiration: &Inspiration) -> Lesson {
    Lesson {
        id: String::new(),
        title: words::clipped(&inspiration.title, TITLE_CHARS_MAX),
        principle: seen_in_document(&inspiration.mechanism),
        why_it_works: words::clipped(&inspiration.mechanism, WHY_CHARS_MAX),
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

fn seen_in_document(text: &str) -> String {
    let inner = text.replace(['“', '”'], "\"");
    words::clipped(&format!("Principle seen in the document: “{inner}”"), PRINCIPLE_CHARS_MAX)
}

/// The sentence of a section that speaks most generally, and the next one where it goes on from it.
fn general_of(analysis: &Analysis, topic: usize) -> Option<Vec<usize>> {
    let major = analysis.topics.get(topic).is_some_and(|topic| topic.major);
    let mut best: Option<(f64, usize)> = None;
    for (index, sentence) in analysis.of_topic(topic) {
        let Some(value) = generality(sentence) else {
            continue;
        };
        if best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt()) {
            best = Some((value, index));
        }
        // A short section opens with what it wants to say.
        if !major {
            break;
        }
    }
    let (_, first) = best?;
    let mut chosen = vec![first];
    let next = analysis.sentence(first + 1).filter(|_| analysis.adjoins(first, first + 1));
    if next.is_some_and(|s| {
        s.word_count >= 4 && s.word_count <= 30 && speaks_generally(s) && continues_thought(s)
    }) {
        chosen.push(first + 1);
    }
    Some(chosen)
}

/// How general a sentence is, if it can be read without its document.
fn generality(s: &Sentence) -> Option<f64> {
    let fit = s.quotable && !s.leans && (6..=34).contains(&s.word_count) && speaks_generally(s);
    let role = match s.role {
        Role::Lead => 0.5,
        Role::Mechanism => 0.35,
        Role::Context | Role::Reason | Role::Case => 0.0,
        _ => return None,
    };
    let cue = |phrases: &[&str]| phrases.iter().any(|phrase| words::holds(&s.plain, phrase));
    let bare_subject = !s.text.starts_with("The ");
    let rule = cue(&[
        "should",
        "must",
        "when",
        "until",
        "only",
        "if",
        "what",
        "instead of",
        "once",
        "but",
        "enough",
    ]);
    let people =
        cue(&["people", "customers", "companies", "anyone", "everyone", "users", "buyers", "households"]);
    // "In two huts …": a place or a date makes a case of it. Without a cue, only what opens or explains is general.
    let cased = s.text.starts_with("In ") || s.text.starts_with("At ") || s.text.starts_with("From ");
    let cued = rule || people || matches!(s.role, Role::Lead | Role::Mechanism);
    (fit && cued && !cased).then(|| {
        role + s.score * 0.3
            + if bare_subject { 0.5 } else { 0.0 }
            + if rule { 0.25 } else { 0.0 }
            + if people { 0.15 } else { 0.0 }
            + f64::from(s.cause.min(6)) * 0.04
    })
}

/// No names, no figures, no past tense, no first person, no word for the document itself.
fn speaks_generally(s: &Sentence) -> bool {
    const PAST: [&str; 15] = [
        "was", "were", "had", "did", "took", "gave", "fell", "rose", "came", "went", "began", "ran", "grew",
        "wanted", "used",
    ];
    // The same word is a participle: "is sold", "have paid".
    const PAST_OR_PARTICIPLE: [&str; 9] =
        ["said", "found", "brought", "bought", "sold", "paid", "left", "made", "got"];
    const LOCAL: [&str; 24] = [
        "now",
        "here",
        "we",
        "our",
        "us",
        "i",
        "my",
        "you",
        "your",
        "report",
        "panel",
        "figure",
        "table",
        "chapter",
        "section",
        "article",
        "today",
        "yesterday",
        "last",
        "this",
        "these",
        "ago",
        "says",
        "he",
    ];
    let tokens: Vec<&str> = s.plain.split_whitespace().collect();
    let local = tokens.iter().any(|token| PAST.contains(token) || LOCAL.contains(token));
    let digits = s.text.chars().any(|c| c.is_ascii_digit());
    let quoted = s.text.contains(['“', '"', '(', '‘', ';', ':']);
    let past = tokens.windows(2).any(|pair| match pair {
        [before, word] => {
            let regular = word.len() > 4 && word.ends_with("ed") && !word.ends_with("eed");
            (regular || PAST_OR_PARTICIPLE.contains(word)) && !is_participle_after(before)
        }
        _ => false,
    });
    // "Recipe boxes preserve it": the word it stands for is in another sentence.
    let points_back = tokens.last().is_some_and(|token| matches!(*token, "it" | "them"))
        || tokens.iter().take(4).any(|token| matches!(*token, "it" | "them" | "its"))
        || tokens.iter().take(2).any(|token| matches!(*token, "they" | "their"));
    s.names.is_empty() && !digits && !quoted && !local && !past && (!points_back || s.leans)
}

/// After these a word in "-ed" is a participle and tells nothing of the tense.
fn is_participle_after(word: &str) -> bool {
    const BEFORE: [&str; 30] = [
        "have",
        "has",
        "is",
        "are",
        "be",
        "been",
        "being",
        "not",
        "a",
        "an",
        "the",
        "can",
        "more",
        "most",
        "well",
        "or",
        "and",
        "too",
        "than",
        "those",
        "get",
        "as",
        "of",
        "no",
        "it",
        "until",
        "once",
        "everything",
        "with",
        "every",
    ];
    BEFORE.contains(&word) || word.ends_with("ly")
}

/// Whether a sentence goes on from the one before without pointing at anything else.
fn continues_thought(s: &Sentence) -> bool {
    const OPENINGS: [&str; 8] =
        ["they ", "then ", "it ", "one decision", "what helps", "what comes", "instead ", "once "];
    let text = s.plain.trim_start();
    OPENINGS.iter().any(|opening| text.starts_with(opening))
}

/// The sentence that explains a topic's case, whole and standing alone.
fn explanation(analysis: &Analysis, topic: usize, cited: &BTreeSet<u32>) -> Option<usize> {
    let candidates = analysis.of_topic(topic).filter(|(_, s)| {
        s.quotable
            && !s.leans
            && is_covered(s, cited)
            && !s.text.contains(['“', '"'])
            && matches!(s.role, Role::Mechanism | Role::Case | Role::Lead | Role::Context)
    });
    best_of(candidates, |s| {
        let role = if s.role == Role::Mechanism { 0.6 } else { 0.0 };
        let figures = if s.figures.is_empty() { 0.1 } else { 0.0 };
        role + figures + f64::from(s.cause.min(8)) * 0.1 + s.score * 0.4
    })
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
fn why_it_works(analysis: &Analysis, topic: usize, used: &[usize], cited: &BTreeSet<u32>) -> Option<String> {
    let candidates = |(index, s): &(usize, &Sentence)| {
        s.quotable
            && !s.leans
            && is_covered(s, cited)
            && !used.contains(index)
            && !is_job(s)
            && !s.text.starts_with(['“', '"'])
            && !matches!(s.role, Role::Counter | Role::Outlook | Role::Aside | Role::Matter)
    };
    let first = best_of(analysis.of_topic(topic).filter(candidates), |s| {
        let role = match s.role {
            Role::Reason => 0.5,
            Role::Mechanism => 0.35,
            Role::Result => 0.2,
            _ => 0.0,
        };
        let because = [" because ", " since ", " as a result "].iter().any(|mark| s.plain.contains(mark));
        role + if because { 0.6 } else { 0.0 } + f64::from(s.cause.min(6)) * 0.06 + s.score * 0.3
    })?;
    let next = analysis.sentence(first + 1).filter(|s| {
        analysis.adjoins(first, first + 1)
            && s.quotable
            && s.leans
            && s.word_count <= 30
            && !is_job(s)
            && is_covered(s, cited)
    });
    let mut indexes = vec![first];
    indexes.extend(next.map(|_| first + 1));
    Some(inspirations::prose(analysis, &indexes, WHY_CHARS_MAX))
}

/// Whether a sentence names a job to be done; it is not used for anything else.
fn is_job(s: &Sentence) -> bool {
    JOBS.iter().any(|(name, _)| lexicon().marker_weight(name, &s.plain) >= 4)
}

/// The kinds of job, with the openings that a document may give them.
const JOBS: [(&str, [&str; 5]); 3] = [
    (
        "functional",
        [
            "The functional job is ",
            "The functional one is ",
            "Functionally, ",
            "The functional benefit is ",
            "For the guest, the functional job is ",
        ],
    ),
    (
        "emotional",
        [
            "The emotional job is ",
            "The emotional one is ",
            "Emotionally, ",
            "The emotional benefit is ",
            "The emotional need is ",
        ],
    ),
    (
        "social",
        [
            "The social job is ",
            "The social one is ",
            "Socially, ",
            "The social benefit is ",
            "The social need is ",
        ],
    ),
];

fn job(analysis: &Analysis, topic: usize, cited: &BTreeSet<u32>) -> JobToBeDone {
    let [functional, emotional, social] =
        JOBS.map(|(name, openings)| job_of(analysis, topic, name, &openings, cited));
    JobToBeDone {
        // The schema wants a functional job; what people get is the nearest the document comes to one.
        functional: functional.unwrap_or_else(|| {
            let gained = analysis
                .of_topic(topic)
                .find(|(_, s)| is_covered(s, cited) && inspirations::result_value(s).is_some());
            gained.map_or_else(
                || "Not named by the document.".to_owned(),
                |(_, s)| {
                    let outcome = sentences::main_clause(&s.text);
                    words::clipped(
                        &format!("Not named by the document; the outcome it reports: {outcome}."),
                        JOB_CHARS_MAX,
                    )
                },
            )
        }),
        emotional,
        social,
    }
}

fn job_of(
    analysis: &Analysis,
    topic: usize,
    name: &str,
    openings: &[&str],
    cited: &BTreeSet<u32>,
) -> Option<String> {
    // A topic made by position may have its jobs named in another stretch of the same story.
    let by_position = analysis.topics.get(topic).is_some_and(|topic| !topic.named_by_document);
    let own = analysis.sentences.iter().filter(|s| by_position || s.topic == Some(topic)).filter(|s| {
        // Shorter than a quote may be: "Functionally, a runner can plan."
        let whole = s.quotable || (4..6).contains(&s.word_count) && s.text.ends_with('.');
        whole
            && is_covered(s, cited)
            && !matches!(s.role, Role::Counter | Role::Outlook | Role::Aside | Role::Matter)
    });
    let (_, sentence) = own
        .map(|s| (lexicon().marker_weight(name, &s.plain), s))
        .filter(|(weight, s)| {
            *weight >= 4 || (*weight >= 2 && s.role == Role::Reason && !s.leans && s.topic == Some(topic))
        })
        .max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.text.cmp(&a.1.text)))?;
    let rest =
        openings.iter().find_map(|opening| sentence.text.strip_prefix(opening)).unwrap_or(&sentence.text);
    Some(words::clipped(&words::capitalised(rest), JOB_CHARS_MAX))
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
    counts.sort_by(|a, b| b.0.cmp(&a.0));
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
                && is_covered(s, cited)
                && !used.contains(index)
                && s.text.chars().count() <= CONSTRAINT_CHARS_MAX
                && !s.text.starts_with(['“', '"'])
                && lexicon().marker_weight("barrier", &s.plain) >= 3
                && !is_job(s)
                && matches!(s.role, Role::Mechanism | Role::Case | Role::Result | Role::Reason)
        })
        .map(|(index, _)| index)
        .collect();
    let mut chosen = ranking::pick(analysis, &candidates, 2, used, |s| {
        let place = if matches!(s.role, Role::Mechanism | Role::Result | Role::Case) { 0.2 } else { 0.0 };
        f64::from(lexicon().marker_weight("barrier", &s.plain).min(9)) * 0.1 + s.score * 0.3 + place
    });
    chosen.sort_unstable();
    chosen.iter().filter_map(|index| analysis.sentence(*index)).map(|s| s.text.clone()).collect()
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
