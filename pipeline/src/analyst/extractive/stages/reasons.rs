//! Why a lesson works, and which constraints its case removed: in the document's sentences.

use std::collections::BTreeSet;

use crate::analyst::extractive::{
    analysis::{cues, ranking, result::Analysis, sentence::Sentence},
    stages::{citations, evidence},
    text::{lexicon::lexicon, role::Role},
};

const CONSTRAINT_CHARS_MAX: usize = 390;

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
pub(crate) fn why_it_works(
    analysis: &Analysis,
    topic: usize,
    used: &[usize],
    cited: &BTreeSet<u32>,
) -> Vec<usize> {
    let candidates = |(index, s): &(usize, &Sentence)| {
        s.quotable
            && !s.leans
            && !s.objects
            && evidence::is_covered(s, cited)
            && !used.contains(index)
            && !cues::names_job(s)
            && !s.text.starts_with(['“', '"'])
            // A sentence that neither explains nor measures is no reason.
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
            && !cues::names_job(s)
            && evidence::is_covered(s, cited)
    });
    let mut indexes = vec![first];
    indexes.extend(next.map(|_| first + 1));
    indexes
}

/// The constraints that the case removed, in the document's sentences.
pub(crate) fn constraints_removed(
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
                && evidence::is_covered(s, cited)
                && !used.contains(index)
                && s.text.chars().count() + 20 <= CONSTRAINT_CHARS_MAX
                && !s.text.starts_with(['“', '"'])
                && lexicon().marker_weight("barrier", &s.plain) >= 3
                && !cues::names_job(s)
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
