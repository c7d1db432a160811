//! The document's own words in the analyst's texts: in quotation marks, with the place where they stand.

use crate::{
    analyst::extractive::{analysis::result::Analysis, stages::evidence, text::words},
    document::Format,
};

/// Room for the marks and the place: ` (section 2000)`.
const MARKS_CHARS: usize = 20;

/// Quotes sentences that follow each other, as many as fit, with the place of the first. Without any, the
/// text is empty.
pub(crate) fn sentences(analysis: &Analysis, indexes: &[usize], chars_max: usize) -> String {
    let text = evidence::prose(analysis, indexes, chars_max.saturating_sub(MARKS_CHARS));
    let first = indexes.first().and_then(|index| analysis.sentence(*index));
    first.filter(|_| !text.is_empty()).map_or_else(String::new, |s| part(analysis, &text, s.page, chars_max))
}

/// Quotes a part of a sentence, with its place.
pub(crate) fn part(analysis: &Analysis, text: &str, page: u32, chars_max: usize) -> String {
    let inner = words::clipped(&inner_quotes(text), chars_max.saturating_sub(MARKS_CHARS));
    format!("“{inner}” ({})", analysis.format.place(page))
}

/// Double quotation marks inside a quotation become single ones.
pub(crate) fn inner_quotes(text: &str) -> String {
    text.replace('“', "‘").replace('”', "’")
}

/// The text without the places that [`part`] added, which say nothing about its subject.
pub(crate) fn without_places(text: &str, format: Format) -> String {
    format
        .cited_pages(text)
        .into_iter()
        .fold(text.to_owned(), |text, page| text.replace(&format!(" ({})", format.place(page)), ""))
}
