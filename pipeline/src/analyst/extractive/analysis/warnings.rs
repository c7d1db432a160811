//! Warnings about a document that the built-in analyst cannot read well.

use unicode_segmentation::UnicodeSegmentation;

use crate::analyst::extractive::{
    analysis::reading::Reading,
    limits::{SENTENCE_BYTES_MAX, SENTENCES_MAX, TEXT_BYTES_MAX, TOPICS_MAX},
    text::{
        blocks::{Blocks, Kind},
        language::Language,
    },
};

/// The warnings that a reader needs before trusting the analysis.
pub(crate) fn warnings(
    Blocks { all: blocks, is_cut }: &Blocks,
    reading: &Reading,
    topics: usize,
    language: Language,
) -> Vec<String> {
    let mut warnings = cuts(*is_cut, reading, topics);
    let quotable = reading.sentences.iter().filter(|sentence| sentence.quotable).count();
    if let Language::Mixed(name, percent) = language {
        warnings.push(format!(
            "About {percent} percent of the document's text is not English, mostly {name}; the built-in analyst knows English only and leaves that text out."
        ));
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

/// The limits at which the analyst cut the document off.
fn cuts(is_cut: bool, reading: &Reading, topics: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_cut {
        warnings.push(format!(
            "The document is longer than the built-in analyst reads: it read the first {} MB of text.",
            TEXT_BYTES_MAX / (1024 * 1024)
        ));
    }
    if reading.is_cut {
        warnings
            .push(format!("The built-in analyst read the document's first {SENTENCES_MAX} sentences only."));
    }
    if reading.long > 0 {
        warnings.push(format!(
            "{} {} longer than {SENTENCE_BYTES_MAX} bytes; the built-in analyst read the beginnings only.",
            reading.long,
            if reading.long == 1 { "sentence is" } else { "sentences are" },
        ));
    }
    if topics == TOPICS_MAX {
        warnings.push(format!(
            "The built-in analyst took the first {TOPICS_MAX} headings for topics, no others."
        ));
    }
    warnings
}
