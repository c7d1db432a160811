//! Key phrases: runs of words that a text uses as terms.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

use crate::analyst::extractive::{limits::PHRASES_MAX, text::words};

/// The most words of a phrase, with the parts of hyphenated words. No term has more.
const WORDS_MAX: usize = 8;

/// Words that open an object or a clause.
const OBJECT_OPENERS: [&str; 24] = [
    "a", "an", "the", "it", "its", "them", "their", "that", "this", "these", "those", "no", "every", "each",
    "all", "one", "two", "three", "how", "what", "whether", "him", "her", "us",
];

/// Participles without a typical ending.
const PARTICIPLES: [&str; 12] = [
    "worn", "torn", "broken", "lost", "left", "sold", "made", "bought", "given", "taken", "hidden", "frozen",
];

/// The key phrases of some sentences: noun-like runs of content words. Their weight grows with their
/// occurrences and with the `rarity` of their stems.
pub(crate) fn key_phrases<'s>(
    sentences: impl Iterator<Item = &'s str>,
    rarity: &BTreeMap<String, f64>,
    count_max: usize,
) -> Vec<String> {
    // Two words that occur once may be anything. A phrase that occurs again is a term.
    phrases_used(sentences, rarity, count_max, 2)
}

/// Like [`key_phrases`], for phrases that occur at least `uses_min` times.
pub(crate) fn phrases_used<'s>(
    sentences: impl Iterator<Item = &'s str>,
    rarity: &BTreeMap<String, f64>,
    count_max: usize,
    uses_min: usize,
) -> Vec<String> {
    let sentences: Vec<&str> = sentences.collect();
    let mut seen: HashSet<String> = HashSet::new();
    let mut phrases: Vec<(String, String)> = Vec::new();
    for phrase in sentences.iter().flat_map(|sentence| candidates(sentence)) {
        if phrases.len() < PHRASES_MAX && seen.insert(phrase.clone()) {
            let plain = words::plain(&phrase);
            phrases.push((phrase, plain));
        }
    }
    let uses = uses(&sentences, &phrases);
    let mut scores: BTreeMap<String, (f64, String, Vec<String>)> = BTreeMap::new();
    for ((phrase, _), uses) in phrases.into_iter().zip(uses).filter(|(_, uses)| *uses >= uses_min) {
        let stems = words::stems_of_phrase(&phrase);
        let weight: f64 = stems.iter().map(|stem| rarity.get(stem).copied().unwrap_or(1.0)).sum();
        scores.entry(stems.join(" ")).or_insert((weight * uses as f64, phrase, stems));
    }
    let mut ranked: Vec<(f64, String, Vec<String>)> = scores.into_values().collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut taken: HashSet<String> = HashSet::new();
    let mut kept: Vec<String> = Vec::new();
    for (_, phrase, stems) in ranked {
        if !stems.iter().any(|stem| taken.contains(stem)) {
            taken.extend(stems);
            kept.push(phrase);
        }
        if kept.len() == count_max {
            break;
        }
    }
    kept
}

/// In how many sentences each phrase occurs: one look at every place of every sentence, for all phrases together.
fn uses(sentences: &[&str], phrases: &[(String, String)]) -> Vec<usize> {
    let index: HashMap<&str, usize> =
        phrases.iter().zip(0..).map(|((_, plain), at)| (plain.trim(), at)).collect();
    let lengths: BTreeSet<usize> = index.keys().map(|plain| plain.split(' ').count()).collect();
    let mut uses = vec![0_usize; phrases.len()];
    // The last sentence in which a phrase was counted, from 1.
    let mut counted_in = vec![0_usize; phrases.len()];
    for (sentence, number) in sentences.iter().zip(1..) {
        let plain = words::plain(sentence);
        let text = plain.trim();
        let starts: Vec<usize> =
            std::iter::once(0).chain(text.match_indices(' ').map(|(at, _)| at + 1)).collect();
        for (at, start) in starts.iter().enumerate() {
            for length in lengths.iter().take_while(|length| **length <= WORDS_MAX) {
                let end = starts.get(at + length).map_or(text.len(), |next| next - 1);
                if at + length > starts.len() {
                    break;
                }
                let Some(found) = text.get(*start..end).and_then(|words| index.get(words)) else { continue };
                if let (Some(last), Some(uses)) = (counted_in.get_mut(*found), uses.get_mut(*found))
                    && *last != number
                {
                    *last = number;
                    *uses += 1;
                }
            }
        }
    }
    // Phrases that differ in capitals or hyphens share their places.
    phrases
        .iter()
        .map(|(_, plain)| index.get(plain.trim()).and_then(|at| uses.get(*at)).copied().unwrap_or(0))
        .collect()
}

/// Runs of two or three lower-case content words after a determiner, where English puts a noun phrase.
fn candidates(sentence: &str) -> Vec<String> {
    const DETERMINERS: [&str; 14] =
        ["a", "an", "the", "its", "their", "every", "each", "no", "of", "with", "one", "into", "as", "this"];
    let mut found = Vec::new();
    let tokens: Vec<&str> = sentence.split_whitespace().collect();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        index += 1;
        if !DETERMINERS.contains(&token.to_lowercase().as_str()) {
            continue;
        }
        let mut run: Vec<&str> = Vec::new();
        let mut closed = false;
        while let Some(next) = tokens.get(index + run.len()).filter(|_| run.len() < 4) {
            let bare = next.trim_matches(|c: char| !c.is_alphanumeric());
            if !is_phrase_word(bare) || next.starts_with(['“', '(', '"']) {
                closed = true;
                break;
            }
            run.push(bare);
            if ends_run(next) {
                closed = true;
                break;
            }
        }
        let ends_as_noun = run.last().is_some_and(|last| {
            !["ly", "ed", "ing", "ous", "ful", "ive", "able", "ish"]
                .iter()
                .any(|suffix| last.ends_with(suffix))
        });
        // In "the rule requires that" and "the coat adds a", an object or a clause follows, so the last word
        // is a verb.
        let after = tokens
            .get(index + run.len())
            .filter(|_| !tokens.get(index + run.len() - 1).is_some_and(|last| ends_run(last)));
        let governs = run.last().is_some_and(|last| last.ends_with('s') && !last.ends_with("ss"))
            && after.is_some_and(|next| {
                OBJECT_OPENERS.contains(&next.to_lowercase().as_str())
                    || next.starts_with(|c: char| c.is_ascii_digit())
            });
        let participle = run.first().is_some_and(|first| {
            first.ends_with("ed")
                || (first.ends_with("ing") && first.len() > 5)
                || first.ends_with("tten")
                || PARTICIPLES.contains(first)
        });
        if governs || participle {
            continue;
        }
        if closed && (2..=3).contains(&run.len()) && ends_as_noun {
            found.push(run.join(" "));
        }
    }
    found
}

/// Whether a token ends with a mark that closes a phrase.
fn ends_run(token: &str) -> bool {
    token.ends_with([',', '.', ';', ':', ')', '”', '!', '?'])
}

fn is_phrase_word(word: &str) -> bool {
    word.chars().count() > 2
        && word.chars().all(|c| c.is_alphabetic() || c == '-')
        && word.chars().next().is_some_and(char::is_lowercase)
        && word.unicode_words().all(words::is_content)
        && !word.ends_with("ly")
}
