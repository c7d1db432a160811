//! Names of topics: from their headings, or made of a name and a key phrase.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

use crate::analyst::extractive::{
    analysis::{cues, result::Analysis, sentence::Sentence, topic::Topic},
    text::{key_phrases, names, role::Role, words},
};

/// The most words of a name before a heading's colon.
const NAME_WORDS_MAX: usize = 4;

/// Finds the names before the colons of headings. The text must use the name's first word, and never in lower
/// case.
pub(crate) fn name_topics(topics: &mut [Topic], sentences: &[Sentence]) {
    let words: HashSet<&str> = sentences.iter().flat_map(|s| s.text.unicode_words()).collect();
    for topic in topics {
        topic.name = topic
            .heading
            .split_once(": ")
            .map(|(name, _)| name)
            .filter(|name| name.split(' ').count() <= NAME_WORDS_MAX && name.starts_with(char::is_uppercase))
            .filter(|name| {
                let first = name.unicode_words().next().unwrap_or_default();
                words.contains(first) && !words.contains(first.to_lowercase().as_str())
            })
            .map(str::to_owned);
    }
}

/// A title for a stretch of text, made of its name and key phrase. A clause would be a claim, not a name.
pub(crate) fn heading_from(analysis: &Analysis, topic: usize) -> String {
    let mut own: Vec<&Sentence> = analysis
        .of_topic(topic)
        .map(|(_, sentence)| sentence)
        .filter(|sentence| {
            sentence.quotable
                && !sentence.objects
                && sentence.role != Role::Outlook
                && !cues::names_job(sentence)
        })
        .collect();
    let known: Vec<String> = analysis.topics.iter().map(|topic| words::plain(&topic.heading)).collect();
    let unused = |phrase: &String| {
        let plain = words::plain(phrase);
        known.iter().all(|heading| !heading.contains(&plain))
    };
    // A term occurs twice. Where no phrase does, one that occurs once must do.
    let phrase = [2, 1].into_iter().find_map(|uses| {
        let texts = own.iter().map(|sentence| sentence.text.as_str());
        key_phrases::phrases_used(texts, &analysis.rarity, 4, uses).into_iter().find(unused)
    });
    // A person who only speaks about the case is not its name.
    own.retain(|s| {
        !s.text.contains(['“', '"']) && !s.plain.contains(" says ") && !s.plain.contains(" said ")
    });
    match (principal_name(&own).filter(|name| names::is_name(name)), phrase) {
        (Some(name), Some(phrase)) => format!("{name}: {phrase}"),
        (None, Some(phrase)) => words::capitalised(&phrase),
        (Some(name), None) if unused(&name) => name,
        (_, None) => format!("Part {} of the document", words::count_in_words(known.len() + 1)),
    }
}

/// The name that most of these sentences use. A name of several words comes before a name of one.
pub(crate) fn principal_name(texts: &[&Sentence]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in texts.iter().flat_map(|s| &s.names) {
        *counts.entry(name).or_default() += 1;
    }
    let several = uses(texts, counts.keys().copied().filter(|name| name.contains(' ')));
    counts.retain(|_, count| *count >= 2);
    let pool = if several.is_empty() { counts } else { several };
    pool.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0))).map(|(name, _)| (*name).to_owned())
}

/// How many sentences hold each name, or its first word as its short form.
fn uses<'n>(texts: &[&'n Sentence], names: impl Iterator<Item = &'n str>) -> BTreeMap<&'n str, usize> {
    let names: Vec<(&str, &str)> = names.map(|name| (head_of(name), name)).collect();
    let mut heads: HashMap<&str, usize> = names.iter().map(|(head, _)| (*head, 0)).collect();
    for sentence in texts.iter().filter(|_| !names.is_empty()) {
        let words: BTreeSet<&str> = sentence.text.split_whitespace().map(head_of).collect();
        for word in words {
            if let Some(count) = heads.get_mut(word) {
                *count += 1;
            }
        }
    }
    names.iter().map(|(head, name)| (*name, heads.get(head).copied().unwrap_or_default())).collect()
}

/// The first word of a text, without the marks around it and without a genitive's ending.
fn head_of(text: &str) -> &str {
    let first =
        text.split(' ').next().unwrap_or(text).trim_matches(|c: char| !c.is_alphanumeric() && c != '&');
    first.strip_suffix("’s").or_else(|| first.strip_suffix("'s")).unwrap_or(first)
}
