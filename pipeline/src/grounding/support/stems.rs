//! Stems that were found before.

use std::collections::HashMap;

/// The stems of the last words. A claim repeats the words of its quotes, and an answer those of the answers before it.
#[derive(Debug, Default)]
pub(super) struct Stems(HashMap<String, String>);

impl Stems {
    /// More words than one report has. They take some 400 KB.
    const WORDS_MAX: usize = 4_096;
    /// Longer ones are no words.
    const WORD_BYTES_MAX: usize = 64;

    pub(super) fn of(&mut self, word: &str, stem: impl FnOnce(&str) -> String) -> String {
        if word.len() > Self::WORD_BYTES_MAX {
            return stem(word);
        }
        if let Some(known) = self.0.get(word) {
            return known.clone();
        }
        if self.0.len() == Self::WORDS_MAX {
            self.0.clear();
        }
        let stem = stem(word);
        self.0.insert(word.to_owned(), stem.clone());
        stem
    }
}
