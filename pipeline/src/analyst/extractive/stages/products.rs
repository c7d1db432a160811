//! Entries of a brand's profile: their names, classes and concepts.

use std::collections::BTreeSet;

use crate::analyst::extractive::text::{lexicon::lexicon, words};

/// First words of common product names, stemmed, besides those that stand for a concept.
const COMMON_NOUNS: [&str; 4] = ["pack", "accessori", "product", "cloth"];

/// The concepts that a text of the profile stands for.
pub(crate) fn concepts_of(text: &str) -> BTreeSet<&'static str> {
    let stems: BTreeSet<String> = words::stems_of_phrase(text).into_iter().collect();
    lexicon()
        .concepts
        .iter()
        .filter(|concept| concept.stems.intersection(&stems).next().is_some())
        .map(|concept| concept.name)
        .collect()
}

/// The class of a product: `food`, `durable`, `service`, or `any` if the word lists know none.
pub(crate) fn class_of(entry: &str, industry: &str) -> &'static str {
    class_of_stems(&words::stems_of_phrase(entry))
        .or_else(|| class_of_stems(&words::stems_of_phrase(industry)))
        .unwrap_or("any")
}

/// The class that most of the stems belong to.
pub(crate) fn class_of_stems(stems: &[String]) -> Option<&'static str> {
    let counts = lexicon().concept_counts(stems.iter());
    let hits = |class: &str| -> usize {
        let concepts = lexicon().concepts.iter().zip(&counts).filter(|(concept, _)| concept.broader == class);
        concepts.map(|(_, count)| count).sum()
    };
    ["food", "durable", "service"]
        .into_iter()
        .rev()
        .map(|class| (hits(class), class))
        .filter(|(hits, _)| *hits > 0)
        .max_by_key(|(hits, _)| *hits)
        .map(|(_, class)| class)
}

/// The name of an entry without its description: "Quechua - hiking gear" → "Quechua". A common noun
/// ("Footwear - hiking shoes") gets a small letter.
pub(crate) fn short_name(entry: &str) -> String {
    let (name, common) = name_of(entry);
    if common { words::lowercased(&name) } else { name }
}

/// A product as a sentence calls it: a proper name as it is, a common noun with its owner ("Northwind’s boots").
pub(crate) fn owned_name(entry: &str, owner: &str) -> String {
    match name_of(entry) {
        (name, true) => format!("{owner} {}", words::lowercased(&name)),
        (name, false) => name,
    }
}

/// The name of an entry, and whether it is a common noun.
fn name_of(entry: &str) -> (String, bool) {
    let first = |marks: &[&str]| marks.iter().filter_map(|mark| entry.find(mark)).filter(|at| *at > 1).min();
    // A comma inside a name ("Astra, Bora and Cima - bicycles") ends it only where nothing else does.
    let cut = first(&[" - ", " – ", " — ", " (", ": "]).or_else(|| first(&[", "]));
    let name = words::clipped(entry.get(..cut.unwrap_or(entry.len())).unwrap_or(entry).trim(), 60);
    let mut tokens = name.split_whitespace();
    let first = tokens.next().unwrap_or_default();
    let common = tokens.all(|token| !token.chars().any(char::is_uppercase)) && {
        let stem = words::stem(first);
        COMMON_NOUNS.contains(&stem.as_str())
            || lexicon().concepts.iter().any(|concept| concept.stems.contains(&stem))
    };
    let plain_case = first.chars().skip(1).all(|c| c.is_lowercase() || c == '-');
    (name, common && plain_case)
}

/// The entry of a list that has most in common with a text, and how much. The first wins a tie.
///
/// The two must share at least `words_min` content words. Shared concepts alone prove too little for some
/// lists.
pub(crate) fn nearest_entry<'e>(
    entries: &'e [String],
    text: &str,
    taken: &[&str],
    words_min: usize,
) -> Option<(f64, &'e str)> {
    // Words that stand in every profile.
    const BLAND: [&str; 6] = ["product", "brand", "develop", "rang", "line", "custom"];
    let concepts = concepts_of(text);
    let stems: BTreeSet<String> = words::content_stems(text).into_iter().collect();
    let mut best: Option<(f64, &str)> = None;
    for entry in entries.iter().filter(|entry| !taken.contains(&entry.as_str())) {
        let own: BTreeSet<String> = words::content_stems(entry).into_iter().collect();
        let shared_words =
            own.iter().filter(|stem| stems.contains(*stem) && !BLAND.contains(&stem.as_str())).count();
        let shared_concepts = concepts_of(entry).intersection(&concepts).count();
        let value = shared_words as f64 + shared_concepts as f64 * 0.7;
        if value > 0.0
            && shared_words >= words_min
            && best.is_none_or(|(best, _)| value.total_cmp(&best).is_gt())
        {
            best = Some((value, entry));
        }
    }
    best
}
