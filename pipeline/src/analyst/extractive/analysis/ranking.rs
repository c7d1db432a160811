//! How much a sentence says: TF-IDF centroid centrality, with cues, and redundancy control (MMR).

use std::collections::BTreeMap;

use crate::analyst::extractive::{
    analysis::{result::Analysis, sentence::Sentence, vectors},
    text::{lexicon::lexicon, role::Role},
};

/// The weight of repetition in a choice: 0 ignores it, 1 counts nothing else. The MMR literature uses 0.3 to
/// 0.5.
const REDUNDANCY_WEIGHT: f64 = 0.4;

/// Scores every sentence: its closeness to the centroid of its topic, plus its cues.
pub(crate) fn score(sentences: &mut [Sentence], rarity: &BTreeMap<String, f64>) {
    let mut centroids: BTreeMap<Option<usize>, BTreeMap<String, f64>> = BTreeMap::new();
    for sentence in sentences.iter() {
        let centroid = centroids.entry(sentence.topic).or_default();
        for stem in &sentence.stems {
            *centroid.entry(stem.clone()).or_default() += rarity.get(stem).copied().unwrap_or(0.0);
        }
    }
    for sentence in sentences {
        let centrality = centroids
            .get(&sentence.topic)
            .map_or(0.0, |centroid| vectors::cosine(&vectors::vector(&sentence.stems, rarity), centroid));
        sentence.score = centrality + cues(sentence);
    }
}

fn cues(sentence: &Sentence) -> f64 {
    // An announcement has shown nothing yet.
    let announced = if sentence.plain.contains(" will ") { -0.25 } else { 0.0 };
    let role = match sentence.role {
        Role::Lead | Role::Result => 0.25,
        Role::Case | Role::Mechanism => 0.20,
        Role::Reason | Role::Context | Role::Summary => 0.05,
        Role::Counter | Role::Outlook => -0.15,
        Role::Aside => -0.30,
        Role::Matter => -2.0,
    };
    let figures = if sentence.figures.is_empty() { 0.0 } else { 0.12 };
    let names = if sentence.names.is_empty() { 0.0 } else { 0.06 };
    let result = f64::from(lexicon().marker_weight("result", &sentence.plain).min(6)) * 0.02;
    let cause = f64::from(sentence.cause.min(6)) * 0.04;
    let length = match sentence.word_count {
        0..=7 => -0.15,
        8..=40 => 0.0,
        _ => -0.10,
    };
    let leans = if sentence.leans { -0.20 } else { 0.0 };
    role + figures + names + result + cause + length + leans + announced
}

/// Picks up to `count` candidates, the best first. Likeness to those already picked lowers a candidate's
/// value.
///
/// `score` weighs a sentence for the purpose at hand. Ties go to the sentence that comes first.
pub(crate) fn pick(
    analysis: &Analysis,
    candidates: &[usize],
    count: usize,
    already: &[usize],
    score: impl Fn(&Sentence) -> f64,
) -> Vec<usize> {
    let vectors: BTreeMap<usize, BTreeMap<String, f64>> = candidates
        .iter()
        .chain(already)
        .filter_map(|index| {
            Some((*index, vectors::vector(&analysis.sentence(*index)?.stems, &analysis.rarity)))
        })
        .collect();
    let mut picked: Vec<usize> = Vec::new();
    while picked.len() < count {
        let mut best: Option<(f64, usize)> = None;
        for index in candidates.iter().filter(|index| !picked.contains(index) && !already.contains(index)) {
            let Some(sentence) = analysis.sentence(*index) else {
                continue;
            };
            let likeness = picked
                .iter()
                .chain(already)
                .filter_map(|other| Some(vectors::cosine(vectors.get(index)?, vectors.get(other)?)))
                .max_by(f64::total_cmp)
                .unwrap_or(0.0);
            let value = score(sentence) - REDUNDANCY_WEIGHT * likeness;
            if best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt()) {
                best = Some((value, *index));
            }
        }
        let Some((_, index)) = best else { break };
        picked.push(index);
    }
    picked
}
