//! The report's quotes by their labels, for pages that show one quote beside its page.

use super::{
    input::ReportInput,
    quote_list::{Quote, Quotes},
    wording::status_note,
};
use crate::{
    record::RecordError,
    stages::{Outputs, QuoteArea},
};

/// A quote as the report lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportQuote {
    /// `E1`, `E2`, … in the order in which the report lists them.
    pub label: String,
    pub quote: String,
    /// The page's number, from 1.
    pub page: u32,
    /// The page as the report cites it, such as `p. 3` or `slide 4`.
    pub place: String,
    /// How the quote was found, if that needs words.
    pub note: Option<String>,
    pub is_fragment: bool,
    /// Whether OCR read the page.
    pub is_recognised: bool,
    /// The places of its lines on the page, in points. Empty where the format has no places.
    pub boxes: Vec<QuoteArea>,
}

/// All quotes of a report, in the order of their labels.
///
/// # Errors
///
/// [`RecordError::Shape`] if a record's payload does not have the form of its stage's answer.
pub fn quotes(input: &ReportInput<'_>) -> Result<Vec<ReportQuote>, RecordError> {
    let mut outputs = Outputs::default();
    for record in input.records {
        outputs.insert(record.output()?);
    }
    let listed = Quotes::new(&outputs, input);
    let as_shown = |(at, quote): (usize, &Quote<'_>)| ReportQuote {
        label: format!("E{}", at + 1),
        quote: quote.text.clone(),
        page: quote.evidence.page,
        place: listed.place(quote.evidence),
        note: status_note(quote.status, listed.format()),
        is_fragment: quote.evidence.fragment,
        is_recognised: quote.evidence.recognised,
        boxes: quote.evidence.boxes.clone(),
    };
    Ok(listed.list().iter().enumerate().map(as_shown).collect())
}
