//! Risks of an opportunity: the document's counter-signals, and the limits of the brand's profile.

use crate::analyst::extractive::{
    analysis::ranking,
    stages::{
        citations, counter_signals, products,
        proposal::{Proposal, Used},
    },
    text::{lexicon::lexicon, role::Role, words},
};

const RISK_QUOTES_MAX: usize = 2;
const RISK_CHARS_MAX: usize = 440;
/// Openings that depend on the sentence before, but can still be quoted.
const OBJECTING_OPENINGS: [&str; 4] = ["However, ", "But ", "Nevertheless, ", "Some "];

/// The risks: counter-signals that no earlier opportunity has used, and a limit from the profile.
pub(crate) fn risks(proposal: &Proposal<'_>, used: &mut Used) -> Vec<String> {
    let mut risks: Vec<String> = Vec::new();
    let counters: Vec<usize> = proposal
        .analysis
        .sentences
        .iter()
        .enumerate()
        .filter(|(_, s)| {
            // "However, …" depends on the sentence before, but is an objection on its own.
            s.quotable
                && counter_signals::warns(s)
                && (!s.leans || OBJECTING_OPENINGS.iter().any(|opening| s.text.starts_with(opening)))
                && proposal.concerns(s)
                && s.text.chars().count() < 420
        })
        .map(|(index, _)| index)
        .collect();
    let product = words::content_stems(&proposal.theme());
    // A counter-signal that was used before is better than none.
    let fresh: Vec<usize> =
        counters.iter().copied().filter(|index| !used.sentences.contains(index)).collect();
    let (from, count) = if fresh.is_empty() { (&counters, 1) } else { (&fresh, RISK_QUOTES_MAX) };
    let chosen = ranking::pick(proposal.analysis, from, count, &[], |s| {
        let near = s.stems.iter().filter(|stem| product.contains(stem)).count().min(4) as f64 * 0.1;
        let under_heading = if s.role == Role::Counter { 0.5 } else { 0.0 };
        near + under_heading
            + f64::from(lexicon().marker_weight("counter", &s.plain).min(9)) * 0.08
            + s.score * 0.3
    });
    for index in chosen {
        if let Some(s) = proposal.analysis.sentence(index) {
            let opening = if proposal.is_foreign() {
                "Of its own case, in another field, the document warns"
            } else {
                "The document warns"
            };
            let quoted = citations::part(proposal.analysis, &s.text, s.page, RISK_CHARS_MAX);
            risks.push(format!("{opening}: {quoted}"));
            used.sentences.push(index);
        }
    }
    let theme = format!("{} {}", proposal.theme(), proposal.found.variant.steps.join(" "));
    let known: Vec<&str> = used.constraints.iter().map(String::as_str).collect();
    let limit = products::nearest_entry(&proposal.brand.constraints, &theme, &known, 0)
        .filter(|(value, _)| *value >= 1.0 || risks.is_empty())
        .map(|(_, constraint)| constraint.to_owned());
    if let Some(constraint) = limit {
        let limit = constraint.trim_end_matches('.');
        risks.push(words::clipped(&format!("A limit from the brand’s own profile: {limit}."), 500));
        used.constraints.push(constraint);
    }
    if risks.is_empty() {
        risks.push(
            "The document names no risk of this case; what speaks against it must still be found out."
                .to_owned(),
        );
    }
    risks
}
