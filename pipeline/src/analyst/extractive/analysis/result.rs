//! The result of the analysis, which all four stages read.

use std::collections::BTreeMap;

use crate::{
    analyst::extractive::{
        analysis::{sentence::Sentence, topic::Topic},
        text::role::Role,
    },
    document::Format,
};

/// A document taken apart into sentences and topics.
#[derive(Debug)]
pub(crate) struct Analysis {
    /// The format, which decides how places are cited.
    pub(crate) format: Format,
    pub(crate) sentences: Vec<Sentence>,
    pub(crate) topics: Vec<Topic>,
    /// How rare a stem is: inverse document frequency over sentences.
    pub(crate) rarity: BTreeMap<String, f64>,
    pub(crate) warnings: Vec<String>,
}

impl Analysis {
    pub(crate) fn sentence(&self, index: usize) -> Option<&Sentence> {
        self.sentences.get(index)
    }

    /// A topic's sentences with their indexes, in order.
    pub(crate) fn of_topic(&self, topic: usize) -> impl Iterator<Item = (usize, &Sentence)> {
        self.sentences.iter().enumerate().filter(move |(_, sentence)| sentence.topic == Some(topic))
    }

    /// Whether `second` directly follows `first` in the same paragraph.
    pub(crate) fn adjoins(&self, first: usize, second: usize) -> bool {
        second == first + 1
            && matches!((self.sentence(first), self.sentence(second)), (Some(a), Some(b)) if a.block == b.block)
    }

    /// Sentences that can be quoted and are not front or back matter.
    pub(crate) fn usable(&self) -> impl Iterator<Item = (usize, &Sentence)> {
        self.sentences
            .iter()
            .enumerate()
            .filter(|(_, sentence)| sentence.quotable && sentence.role != Role::Matter)
    }
}
