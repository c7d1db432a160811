//! How much a sentence says: TF-IDF centroid centrality, with cues, and redundancy control (MMR).

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use crate::analyst::extractive::{
    analysis::{result::Analysis, sentence::Sentence, vectors},
    stop::{Stop, Stopped},
    text::{lexicon::lexicon, role::Role},
};

/// The weight of repetition in a choice: 0 ignores it, 1 counts nothing else. The MMR literature uses 0.3 to
/// 0.5.
const REDUNDANCY_WEIGHT: f64 = 0.4;

/// A term vector with its length.
type Measured = (BTreeMap<String, f64>, f64);

/// Scores every sentence: its closeness to the centroid of its topic, plus its cues.
pub(crate) fn score(
    sentences: &mut [Sentence],
    rarity: &BTreeMap<String, f64>,
    stop: &Stop,
) -> Result<(), Stopped> {
    let mut centroids: BTreeMap<Option<usize>, Measured> = BTreeMap::new();
    for sentence in sentences.iter() {
        stop.check()?;
        let (centroid, _) = centroids.entry(sentence.topic).or_default();
        for stem in &sentence.stems {
            let weight = rarity.get(stem).copied().unwrap_or(0.0);
            match centroid.get_mut(stem) {
                Some(sum) => *sum += weight,
                None => _ = centroid.insert(stem.clone(), weight),
            }
        }
    }
    for (centroid, norm) in centroids.values_mut() {
        *norm = vectors::norm(centroid);
    }
    for sentence in sentences {
        stop.check()?;
        let vector = vectors::vector(&sentence.stems, rarity);
        let centrality = centroids.get(&sentence.topic).map_or(0.0, |(centroid, norm)| {
            vectors::cosine_of((&vector, vectors::norm(&vector)), (centroid, *norm))
        });
        sentence.score = centrality + cues(sentence);
    }
    Ok(())
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
    let mut rest: Vec<(f64, usize)> = candidates
        .iter()
        .filter(|index| !already.contains(index))
        .filter_map(|index| Some((score(analysis.sentence(*index)?), *index)))
        .collect();
    // The sort is stable, so equals stay in the order of the candidates.
    rest.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut vectors = Vectors { analysis, known: HashMap::new() };
    let mut others: Vec<usize> = already.to_vec();
    let mut picked: Vec<usize> = Vec::new();
    while picked.len() < count {
        let mut best: Option<(f64, usize)> = None;
        for (score, index) in rest.iter().filter(|(_, index)| !picked.contains(index)) {
            // Likeness only lowers a value, so the candidates from here on cannot win.
            if best.is_some_and(|(best, _)| score.total_cmp(&best).is_lt()) {
                break;
            }
            let value = score - REDUNDANCY_WEIGHT * vectors.likeness(*index, &others);
            let wins = |(best, first): (f64, usize)| match value.total_cmp(&best) {
                Ordering::Greater => true,
                Ordering::Equal => *index < first,
                Ordering::Less => false,
            };
            if best.is_none_or(wins) {
                best = Some((value, *index));
            }
        }
        let Some((_, index)) = best else { break };
        picked.push(index);
        others.push(index);
    }
    picked
}

/// The vectors of the sentences that were compared.
struct Vectors<'a> {
    analysis: &'a Analysis,
    known: HashMap<usize, Measured>,
}

impl Vectors<'_> {
    /// The greatest likeness of a sentence to any of the others.
    fn likeness(&mut self, index: usize, others: &[usize]) -> f64 {
        for index in others.iter().chain([&index]) {
            if let Some(sentence) = self.analysis.sentence(*index).filter(|_| !self.known.contains_key(index))
            {
                let vector = vectors::vector(&sentence.stems, &self.analysis.rarity);
                let norm = vectors::norm(&vector);
                self.known.insert(*index, (vector, norm));
            }
        }
        let vector = |index: usize| self.known.get(&index).map(|(vector, norm)| (vector, *norm));
        others
            .iter()
            .filter_map(|other| Some(vectors::cosine_of(vector(index)?, vector(*other)?)))
            .max_by(f64::total_cmp)
            .unwrap_or(0.0)
    }
}
