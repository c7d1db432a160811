//! One sentence of the document, with everything that the analysis finds out about it.

use crate::analyst::extractive::text::role::Role;

/// One sentence of the document.
#[derive(Debug)]
pub(crate) struct Sentence {
    pub(crate) page: u32,
    pub(crate) text: String,
    /// See [`words::plain`](crate::analyst::extractive::text::words::plain).
    pub(crate) plain: String,
    pub(crate) word_count: usize,
    pub(crate) stems: Vec<String>,
    /// See [`words::stemmed`](crate::analyst::extractive::text::words::stemmed).
    pub(crate) stemmed: String,
    pub(crate) role: Role,
    /// Index into [`Analysis::topics`](super::result::Analysis::topics).
    pub(crate) topic: Option<usize>,
    /// The index of its block.
    pub(crate) block: usize,
    pub(crate) quotable: bool,
    /// It objects to its case, by its words or by the heading above it.
    pub(crate) objects: bool,
    /// It depends on the sentence before it.
    pub(crate) leans: bool,
    pub(crate) figures: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) cause: u32,
    /// How much it says; see [`ranking`](super::ranking).
    pub(crate) score: f64,
}
