//! Assembles one Markdown report from the four outputs. Code writes it, so it can say nothing that they do
//! not say.
//!
//! The result is CommonMark with GFM tables and no HTML. All text from the document, a model or a profile is
//! escaped (`escape`).

pub mod comparison;
mod escape;
mod evidence;
mod figures;
mod input;
mod notes;
mod opening;
pub mod page;
mod provenance;
mod quote_list;
mod quotes;
mod sections;
#[cfg(test)]
mod tests;
mod wording;
mod words;

pub use self::{
    escape::{inline, line, plain},
    input::ReportInput,
    quotes::{ReportQuote, quotes},
};
use self::{evidence::Appendix, quote_list::Quotes};
use crate::{record::RecordError, stages::Outputs};

/// Writes the report. Equal input gives equal text.
///
/// # Errors
///
/// [`RecordError::Shape`] if a record's payload does not have the form of its stage's answer.
pub fn render(input: &ReportInput<'_>) -> Result<String, RecordError> {
    let mut outputs = Outputs::default();
    for record in input.records {
        outputs.insert(record.output()?);
    }
    let appendix = Appendix(Quotes::new(&outputs, input));
    let mut out = String::new();
    out.push_str(&format!("# Opportunities for {}\n\n", inline(&input.brand.name)));
    opening::notes(&mut out, input);
    opening::summary(&mut out, input, &outputs, &appendix);
    sections::render(&mut out, &outputs, input.brand, &appendix);
    appendix.render(&mut out);
    provenance::render(&mut out, input);
    Ok(out)
}
