//! Texts that are prepared for judging claims. A quote that several items cite is read once for all of them, and a brand's
//! profile once for all of its runs.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    language::Language,
    sentences::{is_negated, sentences},
    words::content_words,
};
use crate::grounding::number_set::NumberSet;

/// The words and numbers of one or more texts.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) sentences: Vec<Sentence>,
    /// The words of all sentences.
    pub(super) words: HashSet<String>,
    pub(super) numbers: NumberSet,
}

pub(super) struct Sentence {
    pub(super) words: HashSet<String>,
    pub(super) is_negated: bool,
}

impl Prepared {
    fn new<'t>(texts: impl Iterator<Item = &'t str>, language: &Language) -> Self {
        let mut all = Self::default();
        for text in texts {
            all.numbers.add(text);
            for sentence in sentences(text) {
                let words: HashSet<String> =
                    content_words(sentence, language).into_iter().map(|word| word.stem).collect();
                all.words.extend(words.iter().cloned());
                all.sentences.push(Sentence { words, is_negated: is_negated(sentence) });
            }
        }
        all
    }
}

/// The quotes of one answer that were prepared so far, by language.
#[derive(Default)]
pub(super) struct Library {
    quotes: HashMap<(usize, String), Arc<Prepared>>,
}

impl Library {
    pub(super) fn quote(&mut self, text: &str, language: &Language) -> Arc<Prepared> {
        let prepare = || Arc::new(Prepared::new(std::iter::once(text), language));
        self.quotes.entry((language.number, text.to_owned())).or_insert_with(prepare).clone()
    }
}

/// The most profiles that stay prepared. One takes some 20 KB, and at most 400 KB.
const PROFILES_MAX: usize = 16;

/// The profiles of the last runs, the newest first. Every run of a brand has the same one.
static PROFILES: Mutex<VecDeque<PreparedProfile>> = Mutex::new(VecDeque::new());

struct PreparedProfile {
    /// The number of the language in which it was read.
    language: usize,
    texts: Vec<String>,
    prepared: Arc<Prepared>,
}

/// The texts of a brand's profile.
pub(super) fn profile(texts: &[String], language: &Language) -> Arc<Prepared> {
    let is_it = |known: &PreparedProfile| known.language == language.number && known.texts == texts;
    {
        let mut profiles = PROFILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = profiles.iter().position(is_it).and_then(|at| profiles.remove(at)) {
            let prepared = known.prepared.clone();
            profiles.push_front(known);
            return prepared;
        }
    }
    let prepared = Arc::new(Prepared::new(texts.iter().map(String::as_str), language));
    let new =
        PreparedProfile { language: language.number, texts: texts.to_vec(), prepared: prepared.clone() };
    let mut profiles = PROFILES.lock().unwrap_or_else(PoisonError::into_inner);
    profiles.push_front(new);
    profiles.truncate(PROFILES_MAX);
    prepared
}
