//! Four outputs → one Markdown report, assembled by code, so that it can never say what they do not.
//!
//! The result is CommonMark with GFM tables and no HTML. All text that comes from the document, a model or a
//! profile is escaped ([`escape`]).

mod escape;
mod evidence;
mod provenance;
mod sections;

pub use self::escape::{inline, line, plain};
use self::evidence::Appendix;
use crate::{
    brand::BrandProfile,
    document::Format,
    grounding::{StageGrounding, run_share},
    record::StageRecord,
    run::RunId,
    stages::Outputs,
};

/// The provider under which the built-in analyst's answers are stored.
const EXTRACTIVE: &str = "extractive";

/// Below this share of quotes found, the reader is warned before anything else.
const SHARE_WARNED: f64 = 0.5;

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    pub run: &'a RunId,
    /// The document's title, or its source name.
    pub document_title: &'a str,
    pub document_source: &'a str,
    pub document_format: Format,
    pub page_count: usize,
    /// What the extraction warned of.
    pub document_warnings: &'a [String],
    pub brand: &'a BrandProfile,
    /// The records of stages 1 to 4, in order.
    pub records: &'a [StageRecord],
}

/// Writes the report. Equal input gives equal text.
pub fn render(input: &ReportInput<'_>) -> Result<String, crate::record::RecordError> {
    let mut outputs = Outputs::default();
    for record in input.records {
        outputs.insert(record.output()?);
    }
    let appendix = Appendix::new(&outputs, input.document_format);
    let mut out = String::new();
    out.push_str(&format!("# Opportunities for {}\n\n", inline(&input.brand.brand_name)));
    notes(&mut out, input);
    summary(&mut out, input, &outputs, &appendix);
    sections::render(&mut out, &outputs, input.brand, &appendix);
    appendix.render(&mut out);
    provenance::render(&mut out, input);
    Ok(out)
}

/// What must be known before reading on.
fn notes(out: &mut String, input: &ReportInput<'_>) {
    for warning in grounding_warnings(input) {
        out.push_str(&format!("> **Warning**\n>\n> {warning}\n\n"));
    }
    let extractive: Vec<String> = input
        .records
        .iter()
        .filter(|record| record.meta.provider == EXTRACTIVE)
        .map(|record| record.meta.stage.number().to_string())
        .collect();
    let who = match extractive.as_slice() {
        [] => return,
        all if all.len() == input.records.len() => "This report was written".to_owned(),
        [one] => format!("Stage {one} was answered"),
        several => format!("Stages {} were answered", listed(several)),
    };
    out.push_str(&format!(
        "> **Note**\n>\n> {who} by the built-in extractive analyst, not by a language model: it selects and \
         arranges what the document and the brand's profile say.\n\n"
    ));
}

fn grounding_warnings(input: &ReportInput<'_>) -> Vec<String> {
    let stages: Vec<StageGrounding> =
        input.records.iter().map(|record| record.meta.grounding.clone()).collect();
    let run = run_share(&stages);
    if let Some(share) = run.filter(|share| *share < SHARE_WARNED) {
        let verified = stages.iter().map(StageGrounding::verified).sum();
        let quotes = stages.iter().map(|stage| stage.quotes).sum();
        return vec![grounding_warning("This report", share, verified, quotes)];
    }
    input
        .records
        .iter()
        .filter_map(|record| {
            let grounding = &record.meta.grounding;
            let share = grounding.share.filter(|share| *share < SHARE_WARNED)?;
            let who = format!("Stage {} ({})", record.meta.stage.number(), record.meta.stage.title());
            Some(grounding_warning(&who, share, grounding.verified(), grounding.quotes))
        })
        .collect()
}

fn grounding_warning(who: &str, share: f64, verified: u32, quotes: u32) -> String {
    match (verified, quotes) {
        (_, 0) => format!("{who} cites no quote at all: nothing in it is supported by evidence."),
        (0, _) => format!(
            "{who} cites {}, and none could be found in the document: nothing in it is supported by evidence.",
            plural(quotes as usize, "quote")
        ),
        _ => format!(
            "{who} cites {quotes} quotes, and only {verified} ({}) could be found in the document: check \
             every statement before using it.",
            percent(share)
        ),
    }
}

/// One paragraph that says what the report holds.
fn summary(out: &mut String, input: &ReportInput<'_>, outputs: &Outputs, appendix: &Appendix<'_>) {
    let brand = input.brand;
    let mut document = format!("“{}”", inline(input.document_title));
    if plain(input.document_title) != plain(input.document_source) {
        document.push_str(&format!(" ({})", inline(input.document_source)));
    }
    let titles: Vec<String> = outputs.opportunities().iter().map(|item| inline(&item.title)).collect();
    let mut text = format!(
        "From {document}, {}, this report draws {} for {} ({}; {})",
        plural(input.page_count, input.document_format.unit()),
        counted(titles.len(), "opportunity", "opportunities"),
        inline(&brand.brand_name),
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
    text.push_str(".\n\n");
    out.push_str(&text);
}

/// `1 page`, `2 pages`.
fn plural(count: usize, noun: &str) -> String {
    counted(count, noun, &format!("{noun}s"))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `1`, `1 and 2`, `1, 2 and 3`.
fn listed(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A share as whole percent; only a full share is 100 %, and only an empty one 0 %.
fn percent(share: f64) -> String {
    let rounded = (share * 100.0).round();
    let honest = if share < 1.0 && share > 0.0 { rounded.clamp(1.0, 99.0) } else { rounded };
    format!("{honest:.0}%")
}

#[cfg(test)]
mod tests;
