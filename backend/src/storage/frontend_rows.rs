//! What the frontend reads of a completed run in tables of its own: one row a stage, one card an opportunity, and
//! the report page's row. Made of the records and the report alone, so that it can never say what they do not.

use pipeline::{
    clock::Timestamp,
    record::{RecordError, StageRecord},
    run::Stage,
    stages::{Opportunity, Outputs},
};

/// The frontend's number and name of the last step, which no model answers.
const REPORT_STEP: (i32, &str) = (5, "report");

/// All rows of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontendRows {
    /// `StageOutput`, one a stage and one for the report.
    pub stages: Vec<StageRow>,
    /// `OpportunityCard`
    pub cards: Vec<CardRow>,
    /// The titles of the first two inspirations; empty where there are fewer.
    pub selected_track: String,
    pub non_selected_track: String,
}

/// A row of `StageOutput`, and a column of `InspirationReport`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRow {
    /// 1 to 5.
    pub number: i32,
    pub name: &'static str,
    /// JSON of the stage's payload; Markdown for the report.
    pub output: String,
    pub completed_at: Timestamp,
}

/// A row of `OpportunityCard`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardRow {
    /// From 1.
    pub number: i32,
    pub title: String,
    /// Markdown: the opportunity's part of the report, without its heading.
    pub content: String,
}

impl FrontendRows {
    /// The rows of a run with these records (in order) and this report, completed at `at`.
    pub fn new(records: &[StageRecord], report: &str, at: Timestamp) -> Result<Self, RecordError> {
        let mut outputs = Outputs::default();
        let mut stages = Vec::new();
        for record in records {
            outputs.insert(record.output()?);
            stages.push(StageRow {
                number: record.meta.stage.number().into(),
                name: record.meta.stage.title(),
                output: serde_json::to_string(&record.payload).map_err(RecordError::Shape)?,
                completed_at: record.meta.finished_at,
            });
        }
        let section = part_below(report, "## Opportunities").unwrap_or_default();
        let (number, name) = REPORT_STEP;
        stages.push(StageRow { number, name, output: section.to_owned(), completed_at: at });
        let cards = (1..).zip(outputs.opportunities()).map(|(number, item)| card(number, item, section));
        let mut titles = outputs.inspirations().iter().map(|inspiration| inspiration.title.clone());
        Ok(Self {
            cards: cards.collect(),
            selected_track: titles.next().unwrap_or_default(),
            non_selected_track: titles.next().unwrap_or_default(),
            stages,
        })
    }

    /// The text of a stage (1 to 5) for the report page; empty where the stage is missing.
    #[must_use]
    pub fn stage_text(&self, number: i32) -> &str {
        self.stages.iter().find(|row| row.number == number).map_or("", |row| &row.output)
    }
}

fn card(number: i32, item: &Opportunity, section: &str) -> CardRow {
    let body = part_below(section, &format!("### {} ·", item.id));
    // A report without the opportunity is not one of ours; its pitch says what it is about.
    let content = body.map_or_else(|| item.pitch.clone(), str::to_owned);
    CardRow { number, title: item.title.clone(), content }
}

/// What stands below the first heading that begins so, up to the next heading of its level or above.
///
/// Text from documents, models and profiles is escaped in a report: no line of theirs is a heading.
fn part_below<'r>(report: &'r str, heading: &str) -> Option<&'r str> {
    let level = heading.find(' ')?;
    let ends = |line: &str| line.starts_with('#') && line.find(' ').is_some_and(|marks| marks <= level);
    let mut start = None;
    let mut at = 0;
    for line in report.split_inclusive('\n') {
        if start.is_some() && ends(line) {
            break;
        }
        at += line.len();
        if start.is_none() && line.starts_with(heading) {
            start = Some(at);
        }
    }
    report.get(start?..at).map(str::trim)
}

/// The number that the database gives to what is not a stage: the report.
pub(super) const REPORT_NUMBER: i32 = REPORT_STEP.0;

/// What comes after a stage.
#[must_use]
pub(super) fn step_after(stage: Stage) -> i32 {
    i32::from(stage.number()) + 1
}

#[cfg(test)]
mod tests {
    use pipeline::{
        analyst::Provenance, grounding::StageGrounding, llm::Usage, record::Circumstances,
        stages::StageOutput, testing::example_answer,
    };

    use super::*;

    fn record(stage: Stage) -> StageRecord {
        let mut output = StageOutput::from_json(stage, example_answer(stage)).unwrap();
        output.assign_ids();
        let provenance = Provenance {
            provider: "test".into(),
            model: "test".into(),
            prompt_version: "1".into(),
            usage: Usage::default(),
            attempts: 1,
            structured_output: None,
        };
        let circumstances = Circumstances {
            started_at: Timestamp::default(),
            finished_at: "2026-11-21T10:00:00Z".parse().unwrap(),
            mode: "DUAL_WRITE".into(),
            flags_revision: 1,
            warnings: vec![],
            grounding: StageGrounding::default(),
        };
        StageRecord::new(&output, &provenance, circumstances).unwrap()
    }

    const REPORT: &str = "# Opportunities for X\n\nSummary.\n\n## Opportunities\n\n### O1 · One\n\nFirst.\n\n\
        - **Risks:** none\n\n### O2 · Two\n\nSecond.\n\n### What about X mattered\n\nAll.\n\n## Lessons\n\n### L1 · A\n";

    #[test]
    fn cards_are_cut_from_the_report() {
        let records: Vec<_> = Stage::ALL.into_iter().map(record).collect();
        let at = "2026-11-21T11:00:00Z".parse().unwrap();
        let rows = FrontendRows::new(&records, REPORT, at).unwrap();
        let cards: Vec<_> =
            rows.cards.iter().map(|card| (card.number, card.title.as_str(), card.content.as_str())).collect();
        assert_eq!(
            cards,
            [
                (1, "Deposit bottle 1", "First.\n\n- **Risks:** none"),
                (2, "Deposit bottle 2", "Second."),
                (3, "Deposit bottle 3", "Milk in a bottle that comes back to the shop."),
            ]
        );
        assert_eq!(
            (rows.selected_track.as_str(), rows.non_selected_track.as_str()),
            ("Refill bar 1", "Refill bar 2")
        );
        let stages: Vec<_> = rows.stages.iter().map(|row| (row.number, row.name)).collect();
        assert_eq!(stages[0], (1, "input processing"));
        assert_eq!(stages[4], (5, "report"));
        assert!(rows.stage_text(5).starts_with("### O1 · One") && rows.stage_text(5).ends_with("All."));
        let payload: serde_json::Value = serde_json::from_str(rows.stage_text(4)).unwrap();
        assert!(payload["opportunities"].is_array() && payload.get("meta").is_none());
    }

    #[test]
    fn a_run_without_records_has_a_report_row_only() {
        let rows = FrontendRows::new(&[], "# One\n", Timestamp::default()).unwrap();
        assert_eq!((rows.stages.len(), rows.cards.len()), (1, 0));
        assert_eq!(rows.stage_text(1), "");
    }
}
