//! What all four stages work on: the document's sentences, weighed, and its topics.

use std::collections::BTreeMap;

use unicode_segmentation::UnicodeSegmentation;

use super::{
    blocks::{self, Block, Kind},
    lexicon::{Role, is_stopword, lexicon},
    phrases::Names,
    ranking, sentences,
    topics::{self, Place, Topic},
    words,
};
use crate::document::Document;

/// A heading that runs into its paragraph is no longer than this.
const RUN_IN_WORDS_MAX: usize = 4;

/// One sentence of the document.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) page: u32,
    pub(super) text: String,
    /// See [`words::plain`].
    pub(super) plain: String,
    pub(super) word_count: usize,
    pub(super) stems: Vec<String>,
    pub(super) role: Role,
    /// Index into [`Analysis::topics`].
    pub(super) topic: Option<usize>,
    /// The paragraph it stands in.
    pub(super) block: usize,
    pub(super) quotable: bool,
    /// It leans on the sentence before it.
    pub(super) leans: bool,
    pub(super) figures: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) cause: u32,
    /// How much it says of the whole, and of itself; see [`ranking`].
    pub(super) score: f64,
}

/// A document, taken apart.
#[derive(Debug)]
pub(super) struct Analysis {
    pub(super) sentences: Vec<Sentence>,
    pub(super) topics: Vec<Topic>,
    /// How rare a stem is: inverse document frequency over sentences.
    pub(super) rarity: BTreeMap<String, f64>,
    pub(super) warnings: Vec<String>,
}

impl Analysis {
    pub(super) fn of(document: &Document) -> Self {
        let blocks = blocks::blocks(document);
        let places = topics::places(&blocks, document);
        let mut found = read_sentences(&blocks, &places.of_block, document);
        let rarity = ranking::rarity(&found);
        ranking::score(&mut found, &rarity);
        let warnings = warnings(&blocks, &found, document);
        let mut analysis = Self { sentences: found, topics: places.topics, rarity, warnings };
        topics::settle(&mut analysis);
        analysis
    }

    pub(super) fn sentence(&self, index: usize) -> Option<&Sentence> {
        self.sentences.get(index)
    }

    /// A topic's sentences with their indexes, in order.
    pub(super) fn of_topic(&self, topic: usize) -> impl Iterator<Item = (usize, &Sentence)> {
        self.sentences.iter().enumerate().filter(move |(_, sentence)| sentence.topic == Some(topic))
    }

    /// Whether `second` directly follows `first` in the same paragraph.
    pub(super) fn adjoins(&self, first: usize, second: usize) -> bool {
        second == first + 1
            && matches!((self.sentence(first), self.sentence(second)), (Some(a), Some(b)) if a.block == b.block)
    }

    /// Sentences that can be quoted and are not front or back matter.
    pub(super) fn usable(&self) -> impl Iterator<Item = (usize, &Sentence)> {
        self.sentences
            .iter()
            .enumerate()
            .filter(|(_, sentence)| sentence.quotable && sentence.role != Role::Matter)
    }
}

/// A text without white space and hyphens: what line breaks can change.
fn compact(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '\u{ad}')).collect()
}

fn read_sentences(blocks: &[Block], places: &[Place], document: &Document) -> Vec<Sentence> {
    let pages: BTreeMap<u32, String> =
        document.pages.iter().map(|page| (page.number, compact(&page.text))).collect();
    let mut found = Vec::new();
    for ((index, block), place) in blocks.iter().enumerate().zip(places) {
        if !matches!(block.kind, Kind::Prose | Kind::Item) {
            continue;
        }
        let texts = sentences::split(&block.text);
        // "To watch in 2027. Whether …": a heading that runs into its paragraph.
        let run_in = texts
            .first()
            .filter(|first| texts.len() > 1 && first.split(' ').count() <= RUN_IN_WORDS_MAX)
            .and_then(|first| lexicon().heading_role(first.trim_end_matches('.')));
        for (order, text) in texts.into_iter().enumerate() {
            let plain = words::plain(&text);
            // The first words of a topic are its lead, whatever stands above them.
            let role = if let Some(role) = run_in {
                role
            } else if place.opens_topic && order < 3 {
                Role::Lead
            } else {
                place.role
            };
            found.push(Sentence {
                page: block.page,
                word_count: text.unicode_words().count(),
                stems: words::content_stems(&text),
                role,
                topic: place.topic,
                block: index,
                // The last clause is the proof that joining lines has glued nothing together.
                quotable: sentences::is_quotable(&text)
                    && pages.get(&block.page).is_some_and(|page| page.contains(&compact(&text))),
                leans: lexicon().leans(&plain),
                figures: words::figures(&text),
                names: Vec::new(),
                cause: lexicon().marker_weight("cause", &plain),
                score: 0.0,
                plain,
                text,
            });
        }
    }
    let names = Names::collect(found.iter().map(|sentence| sentence.text.as_str()));
    for sentence in &mut found {
        sentence.names = names.of(&sentence.text);
    }
    found
}

/// What a reader should know before trusting the analysis.
fn warnings(blocks: &[Block], found: &[Sentence], document: &Document) -> Vec<String> {
    let mut warnings = Vec::new();
    let quotable = found.iter().filter(|sentence| sentence.quotable).count();
    let all: Vec<&str> =
        document.pages.iter().flat_map(|page| page.text.unicode_words()).take(20_000).collect();
    let function_words = all.iter().filter(|word| is_stopword(&word.to_lowercase())).count();
    if all.len() > 80 && function_words * 100 < all.len() * 25 {
        warnings.push(
            "The document does not look like English prose; the built-in analyst knows English only, so its choice may miss the point.".to_owned(),
        );
    }
    let words_in = |kinds: &[Kind]| -> usize {
        blocks
            .iter()
            .filter(|block| kinds.contains(&block.kind))
            .map(|block| block.text.unicode_words().count())
            .sum()
    };
    if words_in(&[Kind::Other]) > words_in(&[Kind::Prose, Kind::Item]) {
        warnings.push("Most of the document's text stands in tables, labels or captions, which the built-in analyst does not quote.".to_owned());
    }
    if quotable < 25 {
        warnings.push(format!(
            "Only {quotable} sentences of the document can be quoted, so the analysis rests on little."
        ));
    }
    warnings
}
