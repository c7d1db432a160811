//! Executes the steps of a plan. Each step is idempotent or fenced, so a plan that breaks off may be made and applied again.

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    failure::{FailureCode, RunFailure},
    record::StageRecord,
    report::{self, ReportInput},
    run::{RunId, RunStatus, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{DbSync, FileStore},
    part::Part,
    ports::{changes::RunChanges, lifecycle::Fence, listing::RunQueries as _, sync::Proof},
    run::{End, RunRecord, RunSubmission},
    sync::{missing_row, plan::Step},
};
use foundation::failpoints;

/// A change of an open row: its parts in the order in which the row gets them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowChange<'a> {
    /// The request, if the row has to be taken or inserted first.
    pub(crate) take: Option<&'a RunSubmission>,
    pub(crate) stages: &'a [&'a StageRecord],
    pub(crate) end: Option<(End<'a>, Timestamp)>,
}

/// The one who applies a plan: a worker under its fence, or reconciliation. The plan gives each only steps that it can do.
#[async_trait]
pub(crate) trait Hand: Send + Sync {
    fn files(&self) -> &FileStore;

    fn changes(&self) -> &RunChanges;

    fn now(&self) -> Timestamp;

    /// Changes an open row under the fence. Returns how many stages it stored.
    async fn change_row(&self, fence: &Fence, change: RowChange<'_>) -> Result<usize, StorageError>;

    /// Stores a stage in files, under the fence.
    async fn store_in_files(&self, _: &Fence, _: &StageRecord) -> Result<(), StorageError> {
        Err(not_for_this_hand("stores no stage in the files of a run under way"))
    }

    /// Remembers that the files lack a stage of a run under way.
    fn remember_files_lack(&self, _: &RunId) {}

    async fn end_frontend_step(&self, _: &RunId, _: &RunFailure) -> Result<(), StorageError> {
        Err(not_for_this_hand("ends no step of the frontend"))
    }

    /// Returns the attempt to a row that another worker has.
    async fn release_row(&self, _: &Fence) {}

    async fn fill_stage(&self, _: &RunId, _: i32, _: &StageRecord) -> Result<(), StorageError> {
        Err(not_for_this_hand("fills no ended row"))
    }

    async fn fill_report(&self, _: &RunId, _: i32, _: &str) -> Result<(), StorageError> {
        Err(not_for_this_hand("fills no ended row"))
    }

    async fn fill_frontend_rows(&self, _: &RunRecord, _: End<'_>, _: Timestamp) -> Result<(), StorageError> {
        Err(not_for_this_hand("fills no ended row"))
    }

    /// Keeps the proof with the row; false if the row has changed.
    async fn keep_proof(&self, _: &Proof) -> Result<bool, StorageError> {
        Err(not_for_this_hand("proves nothing"))
    }

    async fn note_conflicts(&self, _: &RunId, _: &[Part]) -> Result<(), StorageError> {
        Err(not_for_this_hand("notes no conflict"))
    }
}

fn not_for_this_hand(what: &str) -> StorageError {
    StorageError::new(StorageErrorKind::Invalid, format!("the plan asks for too much: this side {what}"))
}

/// Both sides of one run as they were read, and the fence under which they may change.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) fence: &'a Fence,
    /// The request, for a row that has to be inserted.
    pub(crate) new: Option<&'a RunSubmission>,
    pub(crate) row: Option<&'a RunRecord>,
    /// PostgreSQL's `xmin` of that row.
    pub(crate) row_version: Option<&'a str>,
    pub(crate) file: Option<&'a RunRecord>,
}

/// The result of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Stages written to the database.
    pub(crate) stages_written: usize,
    /// Whether the row has its end from the files.
    pub(crate) has_ended_row: bool,
    /// Whether both sides keep a proof.
    pub(crate) is_proved: bool,
}

/// Executes the steps in order.
pub(crate) async fn apply(hand: &dyn Hand, steps: &[Step], work: &Work<'_>) -> Result<Applied, StorageError> {
    let mut applied = Applied { stages_written: change_row(hand, steps, work).await?, ..Applied::default() };
    applied.has_ended_row = steps.contains(&Step::EndRow);
    for step in steps {
        match step {
            // Done above, as one change.
            Step::TakeRow | Step::StoreInRow(_) | Step::EndRow => {}
            Step::FillRow(_) | Step::FillReport | Step::FillFrontendRows => {
                applied.stages_written += fill_row(hand, step, work).await?;
            }
            Step::Prove => applied.is_proved = prove(hand, work).await?,
            Step::NoteConflict(parts) => hand.note_conflicts(work.run, parts).await?,
            Step::CloseFrontendRow => hand.end_frontend_step(work.run, &ended_by_frontend()).await?,
            Step::ReleaseRow => hand.release_row(work.fence).await,
            files => change_files(hand, files, work).await?,
        }
    }
    Ok(applied)
}

/// Takes, fills and ends an open row: one change, so that a backlog of thousands costs few round trips.
async fn change_row(hand: &dyn Hand, steps: &[Step], work: &Work<'_>) -> Result<usize, StorageError> {
    let stages = steps.iter().find_map(|step| match step {
        Step::StoreInRow(stages) => Some(stages.as_slice()),
        _ => None,
    });
    let (takes, ends) = (steps.contains(&Step::TakeRow), steps.contains(&Step::EndRow));
    if stages.is_none() && !takes && !ends {
        return Ok(0);
    }
    let take = match (takes, work.new) {
        (true, None) => {
            let what = "the manifest does not say what was asked";
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        }
        (true, new) => new,
        (false, _) => None,
    };
    let records = records_of(work.file, stages.unwrap_or_default());
    if !ends {
        return hand.change_row(work.fence, RowChange { take, stages: &records, end: None }).await;
    }
    let Some(file) = work.file else { return Ok(0) };
    let held = |stage: &Stage| file.stages.get(stage).or_else(|| work.row?.stages.get(stage));
    let all: Vec<StageRecord> = Stage::ALL.iter().filter_map(held).map(|held| held.record.clone()).collect();
    let report = file.report.as_ref().or_else(|| work.row?.report.as_ref());
    let at = file.finished_at.unwrap_or_else(|| hand.now());
    let end = match (file.status, report, &file.failure) {
        (RunStatus::Completed, Some(report), _) => End::Completed { records: &all, report },
        (_, _, Some(failure)) => End::Failed(failure),
        _ => {
            let what = "its files say neither how it was completed nor why it failed";
            return Err(StorageError::new(StorageErrorKind::Invalid, what));
        }
    };
    let change = RowChange { take, stages: &records, end: Some((end, at)) };
    let written = hand.change_row(work.fence, change).await?;
    hand.changes().publish(work.run);
    Ok(written)
}

/// Fills an ended row from the files. Returns how many stages it stored.
async fn fill_row(hand: &dyn Hand, step: &Step, work: &Work<'_>) -> Result<usize, StorageError> {
    let (Some(row), Some(file)) = (work.row, work.file) else { return Ok(0) };
    match step {
        Step::FillRow(stages) => {
            let records = records_of(work.file, stages);
            for record in &records {
                hand.fill_stage(work.run, file.generation, record).await?;
            }
            return Ok(records.len());
        }
        Step::FillReport => {
            if let Some(report) = &file.report {
                hand.fill_report(work.run, file.generation, report).await?;
            }
        }
        _ => {
            let (RunStatus::Completed, Some(report)) = (row.status, &file.report) else { return Ok(0) };
            let records: Vec<StageRecord> = file.stages.values().map(|held| held.record.clone()).collect();
            let at = row.finished_at.or(file.finished_at).unwrap_or_else(|| hand.now());
            hand.fill_frontend_rows(row, End::Completed { records: &records, report }, at).await?;
        }
    }
    Ok(0)
}

/// Keeps the proof on both sides at the version of the row that was read; false if the row has changed.
async fn prove(hand: &dyn Hand, work: &Work<'_>) -> Result<bool, StorageError> {
    let (Some(row), Some(version)) = (work.row, work.row_version) else { return Ok(false) };
    let proof = Proof::of(row, version.to_owned(), hand.now());
    if !hand.keep_proof(&proof).await? {
        return Ok(false);
    }
    failpoints::hit("reconcile-proved");
    hand.files().keep_proof(&proof).await?;
    tracing::info!(event = "run_proved", run_id = %proof.run_id, "[{}] proved equal in database and files", proof.run_id);
    Ok(true)
}

/// The steps that change files alone.
async fn change_files(hand: &dyn Hand, step: &Step, work: &Work<'_>) -> Result<(), StorageError> {
    let (run, files) = (work.run, hand.files());
    match step {
        Step::MarkSynced(stages) => {
            for stage in stages {
                mark_synced(files, run, *stage).await;
            }
        }
        Step::StoreInFiles(stages) => {
            for record in records_of(work.row, stages) {
                match hand.store_in_files(work.fence, record).await {
                    // The database has it: a full disk does not hold the run up.
                    Err(error) if error.is_outage() => {
                        tracing::error!(event = "stage_file_not_written", run_id = %run, %error, "[{run}] the files lack a stage that the database has");
                        hand.remember_files_lack(run);
                    }
                    written => written?,
                }
            }
        }
        Step::NoteFilesIncomplete => hand.remember_files_lack(run),
        Step::EndFiles => end_files(hand, work).await?,
        Step::FillFiles => {
            if let Some(row) = work.row {
                files.fill(row).await?;
            }
        }
        Step::UnmarkSuperseded => {
            if let Some(row) = work.row {
                files.unmark_superseded(run, row.generation).await?;
            }
        }
        Step::PurgeFiles => missing_row::purge(files, hand.changes(), run).await?,
        Step::CancelMissingRow => missing_row::cancel(files, hand.changes(), run, hand.now()).await?,
        // The caller reports it.
        _ => {}
    }
    Ok(())
}

/// Clears a stage's mark.
pub(crate) async fn mark_synced(files: &FileStore, run: &RunId, stage: Stage) {
    tolerate_mark(run, files.mark_stage_synced(run, stage).await);
}

/// Warns of a mark that could not be cleared. The mark is a hint: reconciliation clears one that stays.
pub(crate) fn tolerate_mark(run: &RunId, cleared: Result<(), StorageError>) {
    match cleared {
        Err(error) if error.kind != StorageErrorKind::NotFound => {
            tracing::warn!(event = "pending_marker_not_cleared", run_id = %run, %error, "the manifest still calls a stage unsynced");
        }
        _ => {}
    }
}

/// Ends the files as the row has ended, with the row's stages.
async fn end_files(hand: &dyn Hand, work: &Work<'_>) -> Result<(), StorageError> {
    let Some(row) = work.row else { return Ok(()) };
    let at = row.finished_at.unwrap_or_else(|| hand.now());
    // The row's generation is the one that has ended. A fence of the files alone may be of the one before.
    let fence = &Fence {
        epoch: work.fence.epoch.max(row.epoch),
        generation: work.fence.generation.max(row.generation),
        ..work.fence.clone()
    };
    let Some((records, report, mut db_sync)) = completion(hand, work.run, row).await? else {
        let failure = row.failure.clone().unwrap_or_else(|| match row.status {
            RunStatus::Failed => ended_by_frontend(),
            _ => RunFailure::cancelled(None),
        });
        let end = End::Failed(&failure);
        return hand.files().finish_with_sync_state(fence, end, at, DbSync::Synced).await;
    };
    for held in row.stages.values() {
        match hand.store_in_files(fence, &held.record).await {
            // The files' own record stays, marked: reconciliation reports the difference.
            Err(error) if error.kind == StorageErrorKind::Conflict => db_sync = DbSync::Diverged,
            written => written?,
        }
    }
    let end = End::Completed { records: &records, report: &report };
    hand.files().finish_with_sync_state(fence, end, at, db_sync).await
}

/// The records and the report of a completed run, and how far the row has them. None for another run, and for one of which the
/// sides together have not all.
async fn completion(
    hand: &dyn Hand,
    run: &RunId,
    row: &RunRecord,
) -> Result<Option<(Vec<StageRecord>, String, DbSync)>, StorageError> {
    if row.status != RunStatus::Completed {
        return Ok(None);
    }
    if let Some(report) = &row.report {
        let records = row.stages.values().map(|held| held.record.clone()).collect();
        return Ok(Some((records, report.clone(), DbSync::Synced)));
    }
    // The row's columns were emptied. Files that have all of it end as the row did, and fill it again.
    let file = hand.files().load(run).await?;
    let whole = file.and_then(|file| whole(run, row, &file));
    Ok(whole.map(|(records, report)| (records, report, DbSync::Diverged)))
}

/// The records of all stages, from whichever side has them, and the report that is made of them. None if one is missing, or if
/// they are of a release whose records do not name document and brand.
fn whole(run: &RunId, row: &RunRecord, file: &RunRecord) -> Option<(Vec<StageRecord>, String)> {
    let held = |stage: Stage| row.stages.get(&stage).or_else(|| file.stages.get(&stage));
    let records: Vec<StageRecord> = Stage::ALL
        .into_iter()
        .map(|stage| held(stage).map(|held| held.record.clone()))
        .collect::<Option<_>>()?;
    let report = report::render(&ReportInput::of_records(run, &records)?).ok()?;
    Some((records, report))
}

/// The frontend sets FAILED, without a reason, where it got no answer.
fn ended_by_frontend() -> RunFailure {
    RunFailure::new(FailureCode::Internal, None, "the frontend has ended the run; retry it to go on", true)
}

fn records_of<'a>(side: Option<&'a RunRecord>, stages: &[Stage]) -> Vec<&'a StageRecord> {
    let held = |stage: &Stage| side.and_then(|side| side.stages.get(stage)).map(|held| &held.record);
    stages.iter().filter_map(held).collect()
}
