//! Warnings about a document that the built-in analyst cannot read well.

use unicode_segmentation::UnicodeSegmentation;

use crate::{
    analyst::extractive::{
        analysis::sentence::Sentence,
        text::{
            blocks::{Block, Kind},
            word_lists::is_stopword,
        },
    },
    document::Document,
};

/// The warnings that a reader needs before trusting the analysis.
pub(crate) fn warnings(blocks: &[Block], found: &[Sentence], document: &Document) -> Vec<String> {
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
