//! Cues in one sentence: somebody speaks, it states a result, or it names a job to be done.

use crate::analyst::extractive::{
    analysis::sentence::Sentence,
    text::{lexicon::lexicon, role::Role},
};

/// The markers of the three kinds of job, in the word lists.
const JOB_MARKERS: [&str; 3] = ["functional", "emotional", "social"];

/// Whether a sentence is somebody's own words. They colour a story, but explain nothing alone.
pub(crate) fn is_spoken(s: &Sentence) -> bool {
    s.text.starts_with(['“', '"', '‘'])
        || ["I ", "We ", "My ", "Our "].iter().any(|start| s.text.starts_with(start))
}

/// How well a sentence states the result of a case: a measured outcome, best with its reason.
pub(crate) fn result_value(s: &Sentence) -> Option<f64> {
    let outcome = lexicon().marker_weight("result", &s.plain);
    let quoted = s.text.starts_with(['“', '"', '‘']);
    (outcome > 0
        && !s.figures.is_empty()
        && !s.leans
        && !s.objects
        && !quoted
        && !matches!(s.role, Role::Aside | Role::Counter | Role::Outlook | Role::Matter))
    .then(|| {
        let reason = if s.cause > 0 { 0.35 } else { 0.0 };
        let named = if s.names.is_empty() { 0.0 } else { 0.15 };
        let place = if matches!(s.role, Role::Case | Role::Result) { 0.3 } else { 0.0 };
        s.score + reason + named + place + f64::from(outcome.min(9)) * 0.03
    })
}

/// Whether a sentence names a job to be done. Such a sentence has no other use.
pub(crate) fn names_job(s: &Sentence) -> bool {
    JOB_MARKERS.iter().any(|name| lexicon().marker_weight(name, &s.plain) >= 4)
}
