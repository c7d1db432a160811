//! Groups topics for inspirations: one topic each. The most similar ones are merged if there are too many.

use crate::{
    analyst::extractive::{
        analysis::{result::Analysis, vectors},
        text::words,
    },
    stages::Inspiration,
};

/// The most inspirations that the schema of stage 1 allows.
pub(crate) const INSPIRATIONS_MAX: usize = 5;
/// More topics than this in one inspiration would be a list and not a case.
const CLUSTER_TOPICS_MAX: usize = 2;
/// The least similarity between an inspiration and the topic that it came from.
const LIKENESS_MIN: f64 = 0.12;

/// Groups of major topics, in document order.
pub(crate) fn clusters(analysis: &Analysis) -> Vec<Vec<usize>> {
    let mut clusters: Vec<Vec<usize>> = analysis
        .topics
        .iter()
        .enumerate()
        .filter(|(_, topic)| topic.major)
        .map(|(index, _)| vec![index])
        .collect();
    while clusters.len() > INSPIRATIONS_MAX {
        let Some((first, second)) = most_alike(analysis, &clusters) else {
            clusters.truncate(INSPIRATIONS_MAX);
            break;
        };
        let merged = clusters.remove(second);
        if let Some(cluster) = clusters.get_mut(first) {
            cluster.extend(merged);
        }
    }
    clusters
}

fn most_alike(analysis: &Analysis, clusters: &[Vec<usize>]) -> Option<(usize, usize)> {
    let mut best: Option<(f64, (usize, usize))> = None;
    for (i, a) in clusters.iter().enumerate() {
        for (j, b) in clusters.iter().enumerate().skip(i + 1) {
            if a.len() + b.len() > CLUSTER_TOPICS_MAX {
                continue;
            }
            let (Some(x), Some(y)) = (a.first(), b.first()) else {
                continue;
            };
            let (Some(x), Some(y)) = (analysis.topics.get(*x), analysis.topics.get(*y)) else {
                continue;
            };
            let same_category = x.labels.category.is_some() && x.labels.category == y.labels.category;
            let likeness = vectors::cosine(&x.vector, &y.vector) + if same_category { 0.1 } else { 0.0 };
            if best.is_none_or(|(best, _)| likeness.total_cmp(&best).is_gt()) {
                best = Some((likeness, (i, j)));
            }
        }
    }
    best.map(|(_, pair)| pair)
}

/// The topics that an inspiration came from, also if a model wrote it. They hold its quotes, or else are most
/// similar to its words.
pub(crate) fn topics_behind(analysis: &Analysis, inspiration: &Inspiration) -> Vec<usize> {
    let quotes: Vec<String> =
        inspiration.evidence.iter().map(|evidence| words::plain(&evidence.quote)).collect();
    let by_quote: Vec<usize> = majors(analysis)
        .filter(|topic| {
            analysis
                .of_topic(*topic)
                .any(|(_, sentence)| quotes.iter().any(|quote| quote.contains(&sentence.plain)))
        })
        .collect();
    if !by_quote.is_empty() {
        return by_quote;
    }
    let text = format!("{} {} {}", inspiration.title, inspiration.summary, inspiration.mechanism);
    nearest(analysis, &text).into_iter().collect()
}

/// The major topic most similar to a text, if one is similar enough.
pub(crate) fn nearest(analysis: &Analysis, text: &str) -> Option<usize> {
    let vector = vectors::vector(&words::content_stems(text), &analysis.rarity);
    majors(analysis)
        .filter_map(|topic| Some((vectors::cosine(&vector, &analysis.topics.get(topic)?.vector), topic)))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map(|(_, topic)| topic)
}

pub(crate) fn majors(analysis: &Analysis) -> impl Iterator<Item = usize> {
    analysis.topics.iter().enumerate().filter(|(_, topic)| topic.major).map(|(index, _)| index)
}
