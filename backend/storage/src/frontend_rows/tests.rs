use pipeline::{
    failure::FailureCode,
    record::RecordContext,
    testing::{context, example_record, provenance},
};
use serde_json::Value;

use crate::frontend_rows::*;

fn record(stage: Stage) -> StageRecord {
    let finished_at = "2026-11-21T10:00:00Z".parse().unwrap();
    example_record(stage, &provenance(), RecordContext { finished_at, ..context(Timestamp::default()) })
        .unwrap()
}

const REPORT: &str = "# Opportunities for X\n\nSummary.\n\n## Opportunities\n\n### O1 · One\n\nMilk in a bottle that comes back to the shop.\n\n\
    - **Risks:** none\n\n### O2 · Two\n\nSecond.\n\n### What about X mattered\n\nAll.\n\n## Lessons\n\n### L1 · A\n\n\
    ## Trends\n\n### T1 · B\n\n## Inspirations\n\n### I1 · Refill \\[bar\\] 1\n\nText.\n\n### I2 · Refill bar 2\n";

fn rows() -> FrontendRows {
    let records: Vec<_> = Stage::ALL.into_iter().map(record).collect();
    FrontendRows::new(&records, REPORT, "2026-11-21T11:00:00Z".parse().unwrap()).unwrap()
}

#[test]
fn cards_and_entries_are_cut_from_the_report() {
    let rows = rows();
    let cards: Vec<_> =
        rows.cards.iter().map(|card| (card.number, card.title.as_str(), card.content.as_str())).collect();
    let pitch = "Milk in a bottle that comes back to the shop.";
    assert_eq!(
        cards,
        [
            (1, "Deposit bottle 1", "Milk in a bottle that comes back to the shop.\n\n- **Risks:** none"),
            (2, "Deposit bottle 2", pitch),
            (3, "Deposit bottle 3", pitch),
        ]
    );
    let fifth: Value = serde_json::from_str(&rows.opportunities).unwrap();
    let first = &fifth["opportunities"][0];
    assert_eq!((&first["number"], &first["title"]), (&1.into(), &"Deposit bottle 1".into()));
    assert_eq!(first["description"], pitch);
    assert_eq!(
        first["markdown"],
        format!(
            "---\ntags: Next step, medium effort\n---\n\n## Description\n\n{pitch}\n\n## Details\n\n- **Risks:** none\n"
        )
    );
}

#[test]
fn the_report_page_gets_each_stage_as_markdown() {
    let rows = rows();
    assert_eq!(rows.selected_track, "Refill \\[bar\\] 1");
    assert_eq!(rows.non_selected_track, "Refill bar 2");
    let begins: Vec<_> = rows.texts.iter().map(|text| text.lines().next().unwrap()).collect();
    assert_eq!(
        begins,
        [
            "### I1 · Refill \\[bar\\] 1",
            "### T1 · B",
            "### L1 · A",
            "### What about X mattered",
            "### O1 · One"
        ]
    );
    assert!(rows.texts[4].ends_with("Second.") && rows.texts[3].ends_with("All."), "{:?}", rows.texts);
}

#[test]
fn the_launch_pages_fields_follow_from_the_records() {
    let fields: Value = serde_json::from_str(&rows().summary).unwrap();
    assert_eq!(fields["trendTitle"], "Refill bar 1");
    let mechanism = "The deposit makes the empty bottle worth a second visit.";
    assert_eq!(fields["coreMechanism"], format!("1. {mechanism}\n2. {mechanism}"));
    assert_eq!(fields["patternTransfersTo"], json!(["cosmetics"]));
    assert_eq!(fields["businessImpact"], "Milk in a bottle that comes back to the shop.");
    assert_eq!(fields["mechanisms"][1]["underlyingMechanism"], mechanism);
    let own: Value = serde_json::from_str(&own_fields(&record(Stage::InputProcessing))).unwrap();
    assert!(own["trendTitle"].is_string() && own.get("businessImpact").is_none());
    assert_eq!(own_fields(&record(Stage::GeneralTranslation)), "{}");
    let later = later_fields(&record(Stage::GeneralTranslation));
    assert_eq!(later, r#", "patternTransfersTo": ["cosmetics"]"#);
    assert_eq!(later_fields(&record(Stage::SignalAmplification)), "");
}

#[test]
fn an_empty_run_writes_no_empty_text() {
    let rows = FrontendRows::new(&[], "# One\n", Timestamp::default()).unwrap();
    assert!(rows.cards.is_empty() && rows.finished_at.len() == 1);
    assert_eq!(rows.opportunities, r#"{"opportunities":[]}"#);
    assert!(rows.texts.iter().all(|text| !text.is_empty()));
    assert!(!rows.selected_track.is_empty() && !rows.non_selected_track.is_empty());
}

#[test]
fn an_error_is_an_object_with_its_code() {
    let failure = RunFailure::new(FailureCode::LlmCredits, None, "no credits", true);
    let error: Value = serde_json::from_str(&error_output(Some(&failure))).unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["message"]),
        (&"LLM_CREDITS".into(), &"no credits".into())
    );
}
