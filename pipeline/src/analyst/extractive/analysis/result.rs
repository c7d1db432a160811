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
    /// The indexes of each topic's sentences.
    members: Vec<Vec<usize>>,
    /// How rare a stem is: inverse document frequency over sentences.
    pub(crate) rarity: BTreeMap<String, f64>,
    pub(crate) warnings: Vec<String>,
}

impl Analysis {
    pub(crate) fn new(
        format: Format,
        sentences: Vec<Sentence>,
        topics: Vec<Topic>,
        rarity: BTreeMap<String, f64>,
        warnings: Vec<String>,
    ) -> Self {
        let mut analysis = Self { format, sentences, topics, members: Vec::new(), rarity, warnings };
        analysis.index_topics();
        analysis
    }

    /// Notes which sentences belong to which topic. Call it after their topics have changed.
    pub(crate) fn index_topics(&mut self) {
        let count = self.sentences.iter().filter_map(|s| s.topic).max().map_or(0, |last| last + 1);
        self.members = vec![Vec::new(); count];
        for (index, sentence) in self.sentences.iter().enumerate() {
            if let Some(members) = sentence.topic.and_then(|topic| self.members.get_mut(topic)) {
                members.push(index);
            }
        }
    }

    pub(crate) fn sentence(&self, index: usize) -> Option<&Sentence> {
        self.sentences.get(index)
    }

    /// A topic's sentences with their indexes, in order.
    pub(crate) fn of_topic(&self, topic: usize) -> impl Iterator<Item = (usize, &Sentence)> {
        let members = self.members.get(topic).map_or(&[][..], Vec::as_slice);
        members.iter().filter_map(|index| Some((*index, self.sentence(*index)?)))
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
