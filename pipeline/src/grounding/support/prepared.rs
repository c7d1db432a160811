//! Texts that are prepared for judging claims. A quote that several items cite, and a brand's profile, are read once for all.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
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

/// The texts of one answer that were prepared so far, by language.
#[derive(Default)]
pub(super) struct Library {
    quotes: HashMap<(usize, String), Rc<Prepared>>,
    /// By how many of the profile's texts were read.
    profiles: HashMap<(usize, usize), Rc<Prepared>>,
}

impl Library {
    pub(super) fn quote(&mut self, text: &str, language: &Language) -> Rc<Prepared> {
        let prepare = || Rc::new(Prepared::new(std::iter::once(text), language));
        self.quotes.entry((language.number, text.to_owned())).or_insert_with(prepare).clone()
    }

    pub(super) fn profile(&mut self, texts: &[String], language: &Language) -> Rc<Prepared> {
        let prepare = || Rc::new(Prepared::new(texts.iter().map(String::as_str), language));
        self.profiles.entry((language.number, texts.len())).or_insert_with(prepare).clone()
    }
}
