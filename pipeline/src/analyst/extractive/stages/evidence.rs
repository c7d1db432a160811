//! Quotes and prose made of the document's own sentences.

use std::collections::BTreeSet;

use crate::{
    analyst::extractive::analysis::{result::Analysis, sentence::Sentence},
    stages::{Evidence, Inspiration},
};

/// A quotable sentence as evidence.
pub(crate) fn quote(analysis: &Analysis, index: usize) -> Option<Evidence> {
    let sentence = analysis.sentence(index).filter(|sentence| sentence.quotable)?;
    Some(Evidence::cited(sentence.text.clone(), sentence.page.clamp(1, 2000)))
}

/// Whole sentences in document order, as many as fit.
pub(crate) fn prose(analysis: &Analysis, indexes: &[usize], chars_max: usize) -> String {
    let mut text = String::new();
    for sentence in indexes.iter().filter_map(|index| analysis.sentence(*index)) {
        let length = text.chars().count() + sentence.text.chars().count() + 1;
        if length > chars_max {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&sentence.text);
    }
    text
}

/// The pages that a lesson's inspirations cite.
pub(crate) fn cited_pages(from: &[&Inspiration]) -> BTreeSet<u32> {
    from.iter().flat_map(|inspiration| &inspiration.evidence).map(|evidence| evidence.page).collect()
}

/// Whether a lesson may use a sentence. One with digits must stand on a page that the lesson's evidence
/// cites.
pub(crate) fn is_covered(s: &Sentence, cited: &BTreeSet<u32>) -> bool {
    cited.contains(&s.page) || !s.text.chars().any(|c| c.is_ascii_digit())
}
