//! Maxims: short sections in which the document itself generalises a topic.

use crate::analyst::extractive::{
    analysis::{mechanisms, result::Analysis, sentence::Sentence, vectors},
    stages::principles,
    text::{role::Role, words},
};

/// How many of a topic's kinds are compared with a maxim.
const KINDS_MAX: usize = 4;
/// The least similarity between a topic and its maxim, such as the section "1. Publish the tally".
const MAXIM_LIKENESS_MIN: f64 = 0.12;

/// Pairs topics with their maxims. Each is used once, the most similar pair first.
pub(crate) fn maxims(analysis: &Analysis, topics: &[usize]) -> Vec<(usize, usize)> {
    let kinds: Vec<_> = topics
        .iter()
        .map(|topic| {
            let kinds = mechanisms::kinds_of(&mechanisms::text_of(analysis, *topic), "", &analysis.rarity);
            let norm = analysis.topics.get(*topic).map_or(0.0, |topic| vectors::norm(&topic.vector));
            (*topic, norm, kinds)
        })
        .collect();
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (minor, section) in analysis.topics.iter().enumerate().filter(|(_, topic)| !topic.major) {
        if principles::general_of(analysis, minor).is_none() || section.heading.split(' ').count() > 9 {
            continue;
        }
        // Only the text right under the maxim counts. Objections and plans further down are about everything.
        let own: Vec<&Sentence> = analysis
            .of_topic(minor)
            .map(|(_, s)| s)
            .filter(|s| matches!(s.role, Role::Lead | Role::Context))
            .collect();
        let mut stems = words::content_stems(&section.heading);
        stems.extend(own.iter().flat_map(|s| s.stems.iter().cloned()));
        let mut text = words::stemmed(&section.heading);
        own.iter().for_each(|s| text.push_str(&s.stemmed));
        let text = mechanisms::counted(&text);
        let vector = vectors::vector(&stems, &analysis.rarity);
        let norm = vectors::norm(&vector);
        for (topic, major_norm, kinds) in &kinds {
            if let Some(major) = analysis.topics.get(*topic) {
                // A maxim that uses the words of a topic's mechanism is surely about that topic.
                let shared = kinds
                    .iter()
                    .take(KINDS_MAX)
                    .map(|(sureness, mechanism)| sureness * sureness * mechanism.affinity(&text).min(4.0))
                    .max_by(f64::total_cmp)
                    .unwrap_or(0.0);
                let likeness =
                    vectors::cosine_of((&vector, norm), (&major.vector, *major_norm)) + shared * 0.1;
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
