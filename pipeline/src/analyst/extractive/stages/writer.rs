//! Writes one opportunity.
//!
//! A pitch holds two things: a template of the lesson's kind for a product of the profile, and a quote about
//! the case behind it. It claims nothing else.

use crate::{
    analyst::extractive::{
        analysis::{cues, sentence::Sentence},
        stages::{
            citations, products, profile_links,
            proposal::{Proposal, Used},
            risks,
        },
        text::{sentences, words},
    },
    stages::{Effort, Evidence, Horizon, Opportunity, ProfileField, ProfileLink},
};

const RESULT_CHARS_MAX: usize = 640;

pub(crate) fn opportunity(proposal: &Proposal<'_>, used: &mut Used) -> Opportunity {
    let links = profile_links::links(proposal, used);
    let effort = proposal.found.variant.effort;
    let result = result(proposal);
    Opportunity {
        id: String::new(),
        title: words::clipped(&words::capitalised(&proposal.filled(proposal.found.variant.title)), 160),
        pitch: words::clipped(&pitch(proposal, result), 1_450),
        why_this_brand: words::clipped(&profile_links::why(proposal, &links), 1_450),
        target_customers: customers(proposal),
        first_steps: steps(proposal, result),
        risks: risks::risks(proposal, used),
        effort,
        horizon: horizon(effort, &links),
        lessons: vec![proposal.subject.lesson.id.clone()],
        profile_links: links.into_iter().map(|(field, entry)| ProfileLink { field, entry }).collect(),
    }
}

/// The sentence that states the measured result of the lesson's case.
fn result<'a>(proposal: &Proposal<'a>) -> Option<&'a Sentence> {
    let topic = proposal.subject.topic?;
    let evidence: Vec<&Evidence> = proposal.subject.inspirations.iter().flat_map(|i| &i.evidence).collect();
    // Its figures must stand on a page that the lesson's inspirations cite.
    let own = proposal
        .analysis
        .of_topic(topic)
        .filter(|(_, s)| s.quotable && evidence.iter().any(|e| e.page == s.page));
    let mut best: Option<(f64, &Sentence)> = None;
    for (_, s) in own {
        let cited = if evidence.iter().any(|e| e.quote == s.text) { 1.0 } else { 0.0 };
        if let Some(value) = cues::result_value(s).map(|value| value + cited)
            && best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt())
        {
            best = Some((value, s));
        }
    }
    best.map(|(_, s)| s)
}

fn pitch(proposal: &Proposal<'_>, result: Option<&Sentence>) -> String {
    let mut pitch = proposal.filled_with(proposal.found.variant.pitch, "its");
    if let Some(result) = result {
        let case = proposal.case_name().map_or_else(String::new, |case| format!(" ({case})"));
        let opening = match proposal.order % 3 {
            0 => format!("The document reports of its case{case}:"),
            1 => format!("The case behind it{case} is described so:"),
            _ => format!("What the document found there{case}:"),
        };
        let quoted = citations::part(proposal.analysis, &result.text, result.page, RESULT_CHARS_MAX);
        pitch.push_str(&format!(" {opening} {quoted}"));
    }
    pitch
}

fn customers(proposal: &Proposal<'_>) -> Vec<String> {
    let lesson = proposal.subject.lesson;
    let theme = format!("{} {} {}", proposal.theme(), lesson.principle, lesson.job_to_be_done.functional);
    let theme = citations::without_places(&theme, proposal.analysis.format);
    // Customers who use the product come before customers who may like the lesson.
    let users = products::nearest_entry(&proposal.brand.target_customers, proposal.entry, &[], 1);
    let mut chosen: Vec<&str> = users.map(|(_, entry)| entry).into_iter().collect();
    while let Some((value, entry)) =
        products::nearest_entry(&proposal.brand.target_customers, &theme, &chosen, 0)
    {
        if chosen.len() >= 2 || (!chosen.is_empty() && value < 2.0) {
            break;
        }
        chosen.push(entry);
    }
    if chosen.is_empty() {
        chosen.extend(proposal.brand.target_customers.first().map(String::as_str));
    }
    chosen.into_iter().map(|entry| entry.chars().take(300).collect()).collect()
}

fn steps(proposal: &Proposal<'_>, result: Option<&Sentence>) -> Vec<String> {
    let mut steps: Vec<String> =
        proposal.found.variant.steps.iter().map(|step| words::clipped(&proposal.filled(step), 500)).collect();
    // A result from another field is no yardstick for this product.
    let near = !proposal.is_foreign();
    let yardstick = result
        .filter(|_| near)
        .map(|s| sentences::main_clause(&s.text))
        .filter(|clause| !words::figures(clause).is_empty());
    if let Some(clause) = yardstick {
        let clause = citations::inner_quotes(clause);
        let step = match proposal.order % 3 {
            0 => format!(
                "Fix the figure that decides before the start; the document’s own case reports: “{clause}”."
            ),
            1 => format!("Take the document’s result as the yardstick, not as a promise: “{clause}”."),
            _ => format!(
                "Agree how far from the reported case the result may fall before the trial ends: “{clause}”."
            ),
        };
        steps.push(words::clipped(&step, 500));
    }
    steps.truncate(6);
    steps
}

/// The horizon, by the rule that the brand context states.
fn horizon(effort: Effort, links: &[(ProfileField, String)]) -> Horizon {
    let prepared = links.iter().any(|(field, _)| *field == ProfileField::RecentInnovations);
    match (effort, prepared) {
        (Effort::Low, _) | (Effort::Medium, true) => Horizon::Now,
        (Effort::Medium, false) | (Effort::High, true) => Horizon::Next,
        (Effort::High, false) => Horizon::Later,
    }
}
