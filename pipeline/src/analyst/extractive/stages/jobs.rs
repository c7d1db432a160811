//! Jobs to be done, where the document names them.

use std::collections::BTreeSet;

use crate::{
    analyst::extractive::{
        analysis::{cues, result::Analysis},
        stages::{citations, evidence},
        text::{lexicon::lexicon, role::Role, sentences},
    },
    stages::JobToBeDone,
};

const JOB_CHARS_MAX: usize = 480;
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

pub(crate) fn job(analysis: &Analysis, topic: usize, cited: &BTreeSet<u32>) -> JobToBeDone {
    let [functional, emotional, social] =
        JOBS.map(|(name, openings)| job_of(analysis, topic, name, &openings, cited));
    JobToBeDone {
        // The schema requires a functional job. The result of the case comes nearest to one.
        functional: functional.unwrap_or_else(|| {
            let gained = analysis
                .of_topic(topic)
                .find(|(_, s)| evidence::is_covered(s, cited) && cues::result_value(s).is_some());
            gained.map_or_else(
                || "Not named by the document.".to_owned(),
                |(_, s)| {
                    let outcome = sentences::main_clause(&s.text);
                    let outcome = citations::part(analysis, outcome, s.page, JOB_CHARS_MAX - 60);
                    format!("Not named by the document; the outcome it reports: {outcome}")
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
    // A topic made by position may name its jobs in another stretch of the same story.
    let by_position = analysis.topics.get(topic).is_some_and(|topic| !topic.named_by_document);
    let own = analysis.sentences.iter().filter(|s| by_position || s.topic == Some(topic)).filter(|s| {
        // A job may be shorter than a quote: "Functionally, a runner can plan."
        let whole = s.quotable || (4..6).contains(&s.word_count) && s.text.ends_with('.');
        whole
            && evidence::is_covered(s, cited)
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
    Some(citations::part(analysis, rest.trim_end_matches('.'), sentence.page, JOB_CHARS_MAX))
}
