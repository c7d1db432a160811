//! A stemmed text with its words and phrases counted, in one walk.

use std::collections::HashMap;

/// Phrases of stems, by their first word.
#[derive(Debug)]
pub(crate) struct Phrases {
    by_first: HashMap<&'static str, Vec<&'static str>>,
}

impl Phrases {
    /// Takes the phrases among some signs. A single word is none.
    pub(crate) fn new(signs: impl Iterator<Item = &'static String>) -> Self {
        let mut by_first: HashMap<&str, Vec<&str>> = HashMap::new();
        for phrase in signs.filter(|sign| sign.trim().contains(' ')) {
            let list = by_first.entry(phrase.split_whitespace().next().unwrap_or_default()).or_default();
            if !list.contains(&phrase.as_str()) {
                list.push(phrase);
            }
        }
        Self { by_first }
    }

    fn from(&self, word: &str) -> &[&'static str] {
        self.by_first.get(word).map_or(&[], Vec::as_slice)
    }
}

/// A stemmed text with its words counted, and the phrases that the word lists ask for.
pub(crate) struct Counted<'t> {
    words: HashMap<&'t str, usize>,
    phrases: HashMap<&'static str, usize>,
}

impl<'t> Counted<'t> {
    /// Counts in one walk through the text.
    pub(crate) fn of(stemmed: &'t str, phrases: &Phrases) -> Self {
        let mut words: HashMap<&str, usize> = HashMap::new();
        // Each phrase with its count, and the byte behind its last place: places do not overlap.
        let mut found: HashMap<&'static str, (usize, usize)> = HashMap::new();
        let mut at = 0;
        for word in stemmed.split(' ') {
            let start = at;
            at += word.len() + 1;
            if word.is_empty() {
                continue;
            }
            *words.entry(word).or_default() += 1;
            // A phrase begins with the space before its first word.
            let Some((begin, rest)) =
                start.checked_sub(1).and_then(|begin| Some((begin, stemmed.get(begin..)?)))
            else {
                continue;
            };
            for phrase in phrases.from(word).iter().filter(|phrase| rest.starts_with(**phrase)) {
                let (count, end) = found.entry(phrase).or_default();
                if begin >= *end {
                    *count += 1;
                    *end = begin + phrase.len();
                }
            }
        }
        let phrases = found.into_iter().map(|(phrase, (count, _))| (phrase, count)).collect();
        Self { words, phrases }
    }

    pub(crate) fn count(&self, sign: &str) -> usize {
        let bare = sign.trim();
        let counted = if bare.contains(' ') { self.phrases.get(sign) } else { self.words.get(bare) };
        counted.copied().unwrap_or_default()
    }

    pub(crate) fn holds(&self, sign: &str) -> bool {
        self.count(sign) > 0
    }
}
