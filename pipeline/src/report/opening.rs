//! The beginning of a Markdown report: warnings, a note on the analyst, and a summary.

use super::{
    escape::{inline, plain},
    evidence::Appendix,
    input::ReportInput,
    notes::{analyst_note, checks, grounding_warnings},
    wording::{counted, percent, plural},
};
use crate::{
    grounding::{StageGrounding, run_share},
    stages::Outputs,
};

/// Writes the warnings and the note that a reader needs first.
pub(super) fn notes(out: &mut String, input: &ReportInput<'_>) {
    for warning in grounding_warnings(input) {
        out.push_str(&format!("> **Warning**\n>\n> {warning}\n\n"));
    }
    if let Some(note) = analyst_note(input) {
        out.push_str(&format!("> **Note**\n>\n> {note}\n\n"));
    }
}

/// Writes one paragraph about the content of the report.
pub(super) fn summary(out: &mut String, input: &ReportInput<'_>, outputs: &Outputs, appendix: &Appendix<'_>) {
    let brand = input.brand;
    let mut document = format!("“{}”", inline(input.document.title()));
    if plain(input.document.title()) != plain(&input.document.source) {
        document.push_str(&format!(" ({})", inline(&input.document.source)));
    }
    let titles: Vec<String> = outputs.opportunities().iter().map(|item| inline(&item.title)).collect();
    let mut text = format!(
        "From {document}, {}, this report draws {} for {} ({}; {})",
        plural(input.document.page_count, input.document.format.unit()),
        counted(titles.len(), "opportunity", "opportunities"),
        inline(&brand.name),
        inline(&brand.country),
        inline(&brand.industry)
    );
    if !titles.is_empty() {
        text.push_str(": ");
        text.push_str(&titles.join("; "));
    }
    text.push_str(&format!(
        ". Behind them stand {}, {} and {}",
        plural(outputs.lessons().len(), "lesson"),
        plural(outputs.trends().len(), "trend"),
        plural(outputs.inspirations().len(), "inspiration")
    ));
    let stages: Vec<StageGrounding> =
        input.records.iter().map(|record| record.meta.grounding.clone()).collect();
    if let Some(share) = run_share(&stages) {
        let quotes: u32 = stages.iter().map(|stage| stage.quotes).sum();
        let verified: u32 = stages.iter().map(StageGrounding::verified).sum();
        text.push_str(&format!(
            "; {verified} of {} ({}) {} found in the document, with {}",
            plural(quotes as usize, "citation"),
            percent(share),
            if quotes == 1 { "was" } else { "were" },
            plural(appendix.len(), "different quote")
        ));
    }
    text.push('.');
    text.push_str(&checks(&stages));
    text.push_str("\n\n");
    out.push_str(&text);
}
