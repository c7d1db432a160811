//! Every rule as a line: row, files → steps.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{
    failure::RunFailure,
    run::{RunId, RunStatus, Stage},
};

use super::*;
use crate::{
    StoredIn, StoredStage,
    contract::{at, failure, record},
};

const ONE: Stage = Stage::InputProcessing;
const TWO: Stage = Stage::SignalAmplification;

/// One side: its status, its generation, and the mark of each stage's record.
fn side(status: RunStatus, generation: i32, stages: &[(Stage, &str)]) -> RunRecord {
    let held = |(stage, mark): &(Stage, &str)| {
        let record = record(*stage, mark);
        let sha256 = record.sha256().unwrap();
        (*stage, StoredStage { record, sha256, stored_in: StoredIn::default() })
    };
    let failure: Option<RunFailure> = match status {
        RunStatus::Failed => Some(failure()),
        RunStatus::Cancelled => Some(RunFailure::cancelled(None)),
        RunStatus::Processing | RunStatus::Completed => None,
    };
    RunRecord {
        status,
        generation,
        accepted_at: Some(at("2026-11-21T11:00:00Z")),
        stages: stages.iter().map(held).collect::<BTreeMap<_, _>>(),
        report: (status == RunStatus::Completed).then(|| "# Report".to_owned()),
        failure,
        is_leased: false,
        waiting: None,
        ..RunRecord::of_failure(RunId::parse("r1").unwrap(), RunFailure::cancelled(None))
    }
}

fn open(stages: &[(Stage, &str)]) -> RunRecord {
    side(RunStatus::Processing, 1, stages)
}

fn completed(stages: &[(Stage, &str)]) -> RunRecord {
    side(RunStatus::Completed, 1, stages)
}

/// A manifest that calls the row's parts known or not.
fn know(has_ended: bool, has_row: bool, has_end: bool) -> FilesKnow {
    FilesKnow { has_ended, database: Some(DatabaseSide { has_row, has_end }), pending: Vec::new() }
}

/// The steps for a row (none: missing) and files.
fn steps(trigger: Trigger, row: Option<&RunRecord>, file: Option<&RunRecord>) -> Vec<Step> {
    steps_with(trigger, row, &[], file, &FilesKnow::default())
}

fn steps_with(
    trigger: Trigger,
    row: Option<&RunRecord>,
    damaged: &[Part],
    file: Option<&RunRecord>,
    know: &FilesKnow,
) -> Vec<Step> {
    let row =
        row.map_or(RowSide::Missing, |record| RowSide::Present { record, damaged, names_caller: false });
    plan(trigger, &Sides { row, file, know, expects_files: true, fence: None })
}

fn parts(numbers: &[i32]) -> Vec<Part> {
    numbers.iter().map(|number| Part::try_from(*number).unwrap()).collect()
}

#[test]
fn reconciliation_fills_the_row_and_ends_it() {
    let file = completed(&[(ONE, "a"), (TWO, "b")]);
    let whole = vec![Step::TakeRow, Step::StoreInRow(vec![ONE, TWO]), Step::EndRow];
    for trigger in [Trigger::Automatic, Trigger::Command] {
        assert_eq!(steps(trigger, None, Some(&file)), whole);
        assert_eq!(
            steps(trigger, Some(&open(&[(ONE, "a")])), Some(&file)),
            [Step::TakeRow, Step::StoreInRow(vec![TWO]), Step::EndRow]
        );
        // Both ended: stages, then the report, then the frontend's rows, then the proof.
        let mut row = completed(&[(ONE, "a")]);
        assert_eq!(steps(trigger, Some(&row), Some(&file)), [Step::FillRow(vec![TWO])]);
        row = completed(&[(ONE, "a"), (TWO, "b")]);
        row.report = None;
        assert_eq!(steps(trigger, Some(&row), Some(&file)), [Step::FillReport]);
        row.report.clone_from(&file.report);
        assert_eq!(steps(trigger, Some(&row), Some(&file)), [Step::FillFrontendRows, Step::Prove]);
    }
}

#[test]
fn reconciliation_fills_files_from_the_row() {
    let row = completed(&[(ONE, "a"), (TWO, "b")]);
    let mut file = completed(&[(ONE, "a")]);
    assert_eq!(steps(Trigger::Automatic, Some(&row), Some(&file)), [Step::FillFrontendRows, Step::FillFiles]);
    file = completed(&[(ONE, "a"), (TWO, "b")]);
    file.report = None;
    assert_eq!(steps(Trigger::Automatic, Some(&row), Some(&file)), [Step::FillFrontendRows, Step::FillFiles]);
}

#[test]
fn reconciliation_leaves_a_run_under_way() {
    let file = completed(&[(ONE, "a")]);
    let mut leased = open(&[]);
    leased.is_leased = true;
    let newer = side(RunStatus::Processing, 2, &[]);
    assert_eq!(steps(Trigger::Automatic, Some(&leased), Some(&file)), []);
    assert_eq!(steps(Trigger::Automatic, Some(&newer), Some(&file)), []);
    assert_eq!(steps(Trigger::Automatic, Some(&completed(&[])), Some(&open(&[]))), []);
    assert_eq!(steps(Trigger::Automatic, None, Some(&open(&[(ONE, "a")]))), []);
    assert_eq!(steps(Trigger::Command, Some(&completed(&[])), None), []);
}

#[test]
fn a_higher_generation_wins() {
    let file = completed(&[(ONE, "a")]);
    let retried = side(RunStatus::Completed, 2, &[(ONE, "a")]);
    assert_eq!(steps(Trigger::Automatic, Some(&retried), Some(&file)), [Step::UnmarkSuperseded]);
    let older = side(RunStatus::Failed, 1, &[(ONE, "a")]);
    let retried = side(RunStatus::Completed, 2, &[(ONE, "a"), (TWO, "b")]);
    assert_eq!(
        steps(Trigger::Automatic, Some(&older), Some(&retried)),
        [Step::TakeRow, Step::StoreInRow(vec![TWO]), Step::EndRow]
    );
}

#[test]
fn what_the_frontend_ended_is_not_an_end() {
    let file = side(RunStatus::Cancelled, 1, &[]);
    let mut row = side(RunStatus::Failed, 1, &[]);
    row.failure = None;
    assert_eq!(steps(Trigger::Automatic, Some(&row), Some(&file)), [Step::TakeRow, Step::EndRow]);
    let mut row = side(RunStatus::Completed, 1, &[]);
    row.accepted_at = None;
    assert_eq!(steps(Trigger::Automatic, Some(&row), Some(&file)), [Step::TakeRow, Step::EndRow]);
}

#[test]
fn differences_are_conflicts_and_nothing_is_written() {
    let file = completed(&[(ONE, "a"), (TWO, "b")]);
    let conflict = |row: &RunRecord, damaged: &[i32]| {
        steps_with(Trigger::Automatic, Some(row), &parts(damaged), Some(&file), &FilesKnow::default())
    };
    let noted = |numbers: &[i32]| vec![Step::NoteConflict(parts(numbers))];
    assert_eq!(conflict(&completed(&[(ONE, "a"), (TWO, "other")]), &[]), noted(&[2]));
    assert_eq!(conflict(&open(&[(ONE, "other")]), &[]), noted(&[1]));
    assert_eq!(conflict(&side(RunStatus::Failed, 1, &[(ONE, "a")]), &[]), noted(&[0]));
    let mut row = completed(&[(ONE, "a"), (TWO, "b")]);
    row.report = Some("# Another".to_owned());
    assert_eq!(conflict(&row, &[]), noted(&[5]));
    // Changed by hand. The end overwrites the report of an open row, unless something else differs.
    assert_eq!(conflict(&completed(&[(TWO, "b")]), &[1]), noted(&[1]));
    assert_eq!(conflict(&open(&[(ONE, "a")]), &[1, 5]), noted(&[1]));
    assert_eq!(
        conflict(&open(&[(ONE, "a")]), &[5]),
        [Step::TakeRow, Step::StoreInRow(vec![TWO]), Step::EndRow]
    );
    assert_eq!(conflict(&open(&[(ONE, "other")]), &[5]), noted(&[1, 5]));
}

#[test]
fn a_missing_row_comes_back_by_command_only() {
    let file = completed(&[(ONE, "a")]);
    let whole = vec![Step::TakeRow, Step::StoreInRow(vec![ONE]), Step::EndRow];
    let of = |trigger, know: &FilesKnow| steps_with(trigger, None, &[], Some(&file), know);
    // The database had all of it: somebody removed the row.
    assert_eq!(of(Trigger::Automatic, &know(true, true, true)), [Step::ReportMissingRow]);
    assert_eq!(of(Trigger::Command, &know(true, true, true)), whole);
    // The end was in files alone: nobody can have removed it.
    assert_eq!(of(Trigger::Automatic, &know(true, true, false)), whole);
    assert_eq!(of(Trigger::Automatic, &know(true, false, false)), whole);
}

#[test]
fn a_tombstone_removes_the_files() {
    let file = completed(&[(ONE, "a")]);
    let know = know(true, true, true);
    for trigger in [Trigger::Lost, Trigger::Automatic, Trigger::Command] {
        let sides =
            Sides { row: RowSide::Deleted, file: Some(&file), know: &know, expects_files: true, fence: None };
        assert_eq!(plan(trigger, &sides), [Step::PurgeFiles], "{trigger:?}");
    }
}

#[test]
fn a_row_naming_the_caller_is_not_reclaimed() {
    let (row, file) = (open(&[(ONE, "a")]), completed(&[(ONE, "a"), (TWO, "b")]));
    let row = RowSide::Present { record: &row, damaged: &[], names_caller: true };
    let know = FilesKnow::default();
    let sides = Sides { row, file: Some(&file), know: &know, expects_files: true, fence: None };
    assert_eq!(plan(Trigger::Automatic, &sides), [Step::StoreInRow(vec![TWO]), Step::EndRow]);
}

#[test]
fn a_claim_fills_both_sides() {
    let claim = |row: &RunRecord, file: &RunRecord| steps(Trigger::Claim, Some(row), Some(file));
    assert_eq!(claim(&open(&[(ONE, "a")]), &open(&[(ONE, "a")])), []);
    assert_eq!(claim(&open(&[]), &open(&[(ONE, "a")])), [Step::StoreInRow(vec![ONE])]);
    assert_eq!(claim(&open(&[(ONE, "a")]), &open(&[])), [Step::StoreInFiles(vec![ONE])]);
    assert_eq!(
        claim(&open(&[(ONE, "a")]), &open(&[(TWO, "b")])),
        [Step::StoreInRow(vec![TWO]), Step::StoreInFiles(vec![ONE])]
    );
    assert_eq!(steps(Trigger::Claim, None, Some(&open(&[(ONE, "a")]))), []);
    assert_eq!(steps(Trigger::Claim, Some(&open(&[(ONE, "a")])), None), []);
}

#[test]
fn a_claim_ends_the_row_by_the_files() {
    let row = open(&[(ONE, "a")]);
    let file = completed(&[(ONE, "a"), (TWO, "b")]);
    assert_eq!(steps(Trigger::Claim, Some(&row), Some(&file)), [Step::StoreInRow(vec![TWO]), Step::EndRow]);
    let failed = side(RunStatus::Failed, 1, &[]);
    assert_eq!(steps(Trigger::Claim, Some(&row), Some(&failed)), [Step::EndRow]);
    // Retried in the database since.
    let retried = side(RunStatus::Processing, 2, &[(ONE, "a")]);
    assert_eq!(steps(Trigger::Claim, Some(&retried), Some(&failed)), [Step::StoreInFiles(vec![ONE])]);
    // Nobody can say how it ended.
    let mut torn = completed(&[(ONE, "a")]);
    torn.report = None;
    assert_eq!(steps(Trigger::Claim, Some(&row), Some(&torn)), []);
}

#[test]
fn a_claim_leaves_what_differs_to_reconciliation() {
    let pending = FilesKnow { pending: vec![ONE, TWO], ..know(false, true, false) };
    let row = open(&[(ONE, "a"), (TWO, "other")]);
    let file = open(&[(ONE, "a"), (TWO, "b")]);
    assert_eq!(
        steps_with(Trigger::Claim, Some(&row), &[], Some(&file), &pending),
        [Step::MarkSynced(vec![ONE])]
    );
}

#[test]
fn a_claim_without_files_only_remembers() {
    let (row, file) = (open(&[(ONE, "a")]), open(&[]));
    let row = RowSide::Present { record: &row, damaged: &[], names_caller: true };
    let know = FilesKnow::default();
    let sides = Sides { row, file: Some(&file), know: &know, expects_files: false, fence: None };
    assert_eq!(plan(Trigger::Claim, &sides), [Step::NoteFilesIncomplete]);
}

#[test]
fn claims_from_files_take_rows_with_peers() {
    assert!(!must_take_row(&know(false, false, false), 1, true));
    assert!(must_take_row(&know(false, false, false), 1, false));
    assert!(must_take_row(&know(false, false, false), 2, true));
    assert!(must_take_row(&know(false, true, false), 1, true));
}

#[test]
fn a_taken_row_gets_all_stages() {
    assert_eq!(take_row(None), [Step::TakeRow]);
    assert_eq!(take_row(Some(&open(&[(ONE, "a")]))), [Step::TakeRow, Step::StoreInRow(vec![ONE])]);
}

#[test]
fn lost_runs_follow_their_rows() {
    let lost = |row: Option<&RunRecord>, know: &FilesKnow| steps_with(Trigger::Lost, row, &[], None, know);
    let with_row = know(false, true, false);
    assert_eq!(lost(Some(&completed(&[])), &with_row), [Step::EndFiles]);
    assert_eq!(lost(Some(&open(&[])), &with_row), []);
    let mut ended_by_frontend = side(RunStatus::Failed, 1, &[]);
    ended_by_frontend.failure = None;
    assert_eq!(lost(Some(&ended_by_frontend), &with_row), [Step::CloseFrontendRow, Step::EndFiles]);
    assert_eq!(lost(None, &with_row), [Step::CancelMissingRow]);
    assert_eq!(lost(None, &know(true, true, false)), []);
    assert_eq!(lost(None, &know(false, false, false)), []);
}

#[test]
fn a_lost_run_returns_its_attempt() {
    let fence = Fence {
        run: RunId::parse("r1").unwrap(),
        owner: "one".to_owned(),
        epoch: 1,
        generation: 1,
        attempt: 1,
        owns_row: true,
        row_stages: BTreeSet::new(),
    };
    let know = FilesKnow::default();
    let lost = |epoch: i32, owns_row: bool| {
        let row = RunRecord { epoch, ..open(&[]) };
        let row = RowSide::Present { record: &row, damaged: &[], names_caller: false };
        let fence = Some((&fence, owns_row));
        plan(Trigger::Lost, &Sides { row, file: None, know: &know, expects_files: true, fence })
    };
    assert_eq!(lost(2, true), [Step::ReleaseRow]);
    assert_eq!(lost(1, true), []);
    assert_eq!(lost(2, false), []);
}
