//! The industries to which a lesson transfers.

use crate::analyst::extractive::{
    analysis::result::Analysis,
    text::{lexicon::lexicon, words},
};

const TRANSFERS_MAX: usize = 6;

/// The industries in which the document saw the topic, then others that the document mentions.
pub(crate) fn transfers_to(analysis: &Analysis, topic: usize) -> Vec<String> {
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

pub(crate) fn or_not_named(industries: Vec<String>) -> Vec<String> {
    if industries.is_empty() { vec!["Not named by the document".to_owned()] } else { industries }
}

/// The known industries, then those whose words occur most often.
pub(crate) fn industries_in<'a>(stems: impl Iterator<Item = &'a String>, known: &[String]) -> Vec<String> {
    let held = lexicon().industry_counts(stems);
    let mut counts: Vec<(usize, &str)> =
        held.into_iter().zip(lexicon().industries.iter().copied()).filter(|(count, _)| *count >= 2).collect();
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
