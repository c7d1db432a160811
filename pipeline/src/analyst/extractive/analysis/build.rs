//! Builds the analysis of a document.

use crate::{
    analyst::extractive::{
        analysis::{outline, ranking, reading, result::Analysis, topics, vectors, warnings},
        text::blocks,
    },
    document::Document,
};

/// Takes a document apart.
pub(crate) fn analyse(document: &Document) -> Analysis {
    let blocks = blocks::blocks(document);
    let mut places = outline::places(&blocks, document);
    let mut found = reading::read_sentences(&blocks, &mut places, document);
    let rarity = vectors::rarity(&found);
    ranking::score(&mut found, &rarity);
    let warnings = warnings::warnings(&blocks, &found, document);
    let mut analysis =
        Analysis { format: document.format, sentences: found, topics: places.topics, rarity, warnings };
    topics::choose_major(&mut analysis);
    analysis
}
