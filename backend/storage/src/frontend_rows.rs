//! Builds the rows that the frontend reads in its own tables: one per stage, one card per opportunity, and
//! the row of the report page. They follow from the records and the report alone, so they cannot contradict
//! them.
//!
//! A stage takes three forms: a JSON object in `StageOutput`, Markdown in `InspirationReport`, and Markdown
//! without frontmatter in `OpportunityCard`. docs/FRONTEND.md says which page reads which form.

mod card;
mod company;
mod sections;
mod summary;

use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    record::{RecordError, StageRecord},
    run::Stage,
    stages::{Inspiration, Outputs},
    visible_text::visible,
};
use serde_json::json;

use self::sections::part_below;

pub(crate) use self::company::offered;
pub(super) use self::summary::{later_fields, own_fields};
pub use self::{card::CardRow, company::company_name};

/// The frontend's number of the last step, the report, which no model answers.
pub const REPORT_NUMBER: i32 = 5;

/// The names under which the frontend shows the steps, in order.
pub const STEP_NAMES: [&str; 5] = [
    "Input Processing",
    "Signal Amplification",
    "General Translation",
    "Brand Contextualization",
    "Opportunity Generation",
];

/// The frontend's name of a step, 1 to 5.
#[must_use]
pub fn step_name(number: i32) -> &'static str {
    let index = usize::try_from(number - 1).unwrap_or_default();
    STEP_NAMES.get(index).copied().unwrap_or_default()
}

/// The rows of a completed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontendRows {
    /// The output of the fifth `StageOutput` row: a JSON object.
    pub opportunities: String,
    /// The fields of the launch page that the first `StageOutput` row has besides the record's own: a JSON
    /// object.
    pub summary: String,
    /// The end of each stage, by its number, and last the end of the report.
    pub finished_at: Vec<(i32, Timestamp)>,
    /// `OpportunityCard`
    pub cards: Vec<CardRow>,
    /// `InspirationReport`: the titles of the first two inspirations, as Markdown.
    pub selected_track: String,
    pub non_selected_track: String,
    /// `InspirationReport`: each stage's part of the report, the opportunities last.
    pub texts: [String; 5],
}

impl FrontendRows {
    /// Builds the rows of a run from its records (in order) and its report, completed at `at`.
    ///
    /// # Errors
    ///
    /// A record's payload is not a valid output of its stage.
    pub fn new(records: &[StageRecord], report: &str, at: Timestamp) -> Result<Self, RecordError> {
        let mut outputs = Outputs::default();
        let mut finished_at = Vec::new();
        for record in records {
            outputs.insert(record.output()?);
            finished_at.push((i32::from(record.meta.stage.number()), record.meta.finished_at));
        }
        finished_at.push((REPORT_NUMBER, at));
        let section = part_below(report, "## Opportunities").unwrap_or_default();
        let (cards, entries) = card::all(outputs.opportunities(), section);
        let [first, second] = [0, 1].map(|at| track(report, outputs.inspirations().get(at)));
        Ok(Self {
            opportunities: json!({ "opportunities": entries }).to_string(),
            summary: summary::all(records).to_string(),
            finished_at,
            cards,
            selected_track: first,
            non_selected_track: second,
            texts: texts(report, section),
        })
    }
}

/// The output of a step at which a run failed or was cancelled.
#[must_use]
pub fn error_output(failure: Option<&RunFailure>) -> String {
    let error = failure.map(|failure| {
        let message = visible(&failure.message);
        json!({ "code": failure.code.as_str(), "message": message, "can_retry": failure.can_retry })
    });
    json!({ "error": error }).to_string()
}

/// An inspiration's title as the report shows it.
fn track(report: &str, inspiration: Option<&Inspiration>) -> String {
    let Some(inspiration) = inspiration else { return "None".to_owned() };
    let heading = format!("### {} · ", inspiration.id);
    let title = report.lines().find_map(|line| line.strip_prefix(heading.as_str()));
    let title = title.map_or_else(|| pipeline::report::inline(&inspiration.title), str::to_owned);
    if title.trim().is_empty() { inspiration.id.clone() } else { title }
}

/// Splits the report into parts by stage. A part that the report lacks gets a text that says so.
fn texts(report: &str, section: &str) -> [String; 5] {
    let brand = section.lines().find(|line| line.starts_with(BRAND_HEADING));
    let context = brand.and_then(|heading| Some(format!("{heading}\n\n{}", part_below(section, heading)?)));
    let opportunities = brand.map_or(section, |heading| section.split(heading).next().unwrap_or(section));
    [
        part_below(report, "## Inspirations").map(str::to_owned),
        part_below(report, "## Trends").map(str::to_owned),
        part_below(report, "## Lessons").map(str::to_owned),
        context,
        Some(opportunities.trim().to_owned()),
    ]
    .map(|text| text.filter(|text| !text.is_empty()).unwrap_or_else(|| NO_PART.to_owned()))
}

/// The start of the heading of the brand context.
const BRAND_HEADING: &str = "### What about ";
const NO_PART: &str = "The report has no such part.";

/// The number of the step after a stage.
#[must_use]
pub(super) fn step_after(stage: Stage) -> i32 {
    i32::from(stage.number()) + 1
}

#[cfg(test)]
mod tests;
