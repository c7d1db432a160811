//! Builds the analysis of a document.

use crate::{
    analyst::extractive::{
        analysis::{outline, ranking, reading, result::Analysis, topics, vectors, warnings},
        refusal::Refusal,
        stop::Stop,
        text::{
            blocks,
            language::{self, Language},
        },
    },
    document::Document,
};

/// Takes a document apart.
///
/// # Errors
///
/// [`Refusal`]: it was told to stop, or the document is in another language than English.
pub(crate) fn analyse(document: &Document, stop: &Stop) -> Result<Analysis, Refusal> {
    let language = language::language(document);
    if let Language::Foreign(name) = language {
        return Err(Refusal::Foreign(name));
    }
    let blocks = blocks::blocks(document, stop)?;
    let mut places = outline::places(&blocks.all, document, stop)?;
    let mut reading = reading::read_sentences(&blocks.all, &mut places, document, stop)?;
    let rarity = vectors::rarity(&reading.sentences);
    ranking::score(&mut reading.sentences, &rarity, stop)?;
    let warnings = warnings::warnings(&blocks, &reading, places.topics.len(), language);
    let mut analysis = Analysis::new(document.format, reading.sentences, places.topics, rarity, warnings);
    topics::choose_major(&mut analysis, stop)?;
    Ok(analysis)
}
