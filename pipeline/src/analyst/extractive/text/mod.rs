//! The lowest layer: words, sentences and blocks. It knows texts, and nothing of topics or stages.

pub(crate) mod blocks;
pub(crate) mod hyphens;
pub(crate) mod key_phrases;
pub(crate) mod language;
pub(crate) mod lexicon;
pub(crate) mod line_shape;
pub(crate) mod names;
pub(crate) mod role;
pub(crate) mod sentences;
pub(crate) mod word_lists;
pub(crate) mod words;
