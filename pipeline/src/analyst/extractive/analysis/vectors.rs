//! Term vectors: TF-IDF weights and cosine similarity.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyst::extractive::analysis::sentence::Sentence;

/// Inverse document frequency of every stem, over sentences.
pub(crate) fn rarity(sentences: &[Sentence]) -> BTreeMap<String, f64> {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for sentence in sentences {
        let unique: BTreeSet<&str> = sentence.stems.iter().map(String::as_str).collect();
        for stem in unique {
            *counts.entry(stem).or_default() += 1.0;
        }
    }
    let total = sentences.len() as f64;
    counts.into_iter().map(|(stem, count)| (stem.to_owned(), (1.0 + total / count).ln())).collect()
}

/// The TF-IDF vector of some stems.
pub(crate) fn vector(stems: &[String], rarity: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let mut vector: BTreeMap<String, f64> = BTreeMap::new();
    for stem in stems {
        *vector.entry(stem.clone()).or_default() += rarity.get(stem).copied().unwrap_or(1.0);
    }
    vector
}

/// The length of a vector.
pub(crate) fn norm(vector: &BTreeMap<String, f64>) -> f64 {
    vector.values().map(|x| x * x).sum::<f64>().sqrt()
}

/// Cosine similarity, 0 to 1 for non-negative vectors.
pub(crate) fn cosine(a: &BTreeMap<String, f64>, b: &BTreeMap<String, f64>) -> f64 {
    cosine_of((a, norm(a)), (b, norm(b)))
}

/// Cosine similarity of vectors whose lengths are known.
pub(crate) fn cosine_of(
    (a, a_norm): (&BTreeMap<String, f64>, f64),
    (b, b_norm): (&BTreeMap<String, f64>, f64),
) -> f64 {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let dot: f64 = small.iter().filter_map(|(stem, x)| large.get(stem).map(|y| x * y)).sum();
    let norms = a_norm * b_norm;
    if norms > 0.0 { dot / norms } else { 0.0 }
}
