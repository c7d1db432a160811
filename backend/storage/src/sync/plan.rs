//! The decisions: two sides of a run in, steps out. Nothing here touches a store.
//!
//! # Rules
//!
//! * The plan fills what one side lacks and leaves what is equal. A difference is a conflict: both sides stay, and an
//!   operator decides.
//! * A higher generation wins. Within one, a run that has ended never reopens.
//! * A run that a worker has is that worker's. Reconciliation leaves it alone.
//! * A row that is gone comes back by command only: its owner may have removed it.

use pipeline::run::{RunStatus, Stage};

use crate::{
    files::manifest::{DatabaseSide, Manifest},
    part::Part,
    ports::lifecycle::Fence,
    run::RunRecord,
    sync::compare::{conflicts, differences, has_ended, lacking},
};

/// The caller that asks for both sides to be brought together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// A worker that has claimed the run and holds its row.
    Claim,
    /// A worker that has lost the run, or a sweep that found the run ended elsewhere: the files follow the row.
    Lost,
    /// The background. It restores no row.
    Automatic,
    /// An operator.
    Command,
}

/// The run as its row says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowSide<'a> {
    /// The database has the run's tombstone.
    Deleted,
    /// The database has neither a row nor a tombstone.
    Missing,
    Present {
        record: &'a RunRecord,
        /// The parts whose text does not match the row's own digest. Claims do not read them.
        damaged: &'a [Part],
        /// Whether the row names the caller as its owner, so that it need not be taken.
        names_caller: bool,
    },
}

/// The manifest's knowledge of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FilesKnow {
    pub(crate) has_ended: bool,
    /// None for a run that no database is meant to have.
    pub(crate) database: Option<DatabaseSide>,
    /// The stages that the database lacked when the files stored them.
    pub(crate) pending: Vec<Stage>,
}

impl From<&Manifest> for FilesKnow {
    fn from(manifest: &Manifest) -> Self {
        let pending = manifest.stages.iter().filter(|(_, stored)| stored.pending_database);
        Self {
            has_ended: manifest.has_ended(),
            database: manifest.database,
            pending: pending.map(|(stage, _)| *stage).collect(),
        }
    }
}

impl FilesKnow {
    fn has_row(&self) -> bool {
        self.database.is_some_and(|side| side.has_row)
    }

    /// Whether the run has ended, and the database had all of it.
    #[must_use]
    pub(crate) fn database_had_all(&self) -> bool {
        self.has_ended && self.database.is_some_and(|side| side.has_row && side.has_end)
    }
}

/// Both sides of one run, and the caller's context.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) row: RowSide<'a>,
    /// The run as its files say; none without a readable manifest.
    pub(crate) file: Option<&'a RunRecord>,
    pub(crate) know: &'a FilesKnow,
    /// Whether the operator wants files.
    pub(crate) expects_files: bool,
    /// The worker's fence, and whether the row is held under it.
    pub(crate) fence: Option<(&'a Fence, bool)>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Takes the row under the fence, or inserts it.
    TakeRow,
    /// Stores these stages in the open row, under the fence.
    StoreInRow(Vec<Stage>),
    /// Ends the row as the files say.
    EndRow,
    /// Clears the mark of stages that the row has already.
    MarkSynced(Vec<Stage>),
    /// Stores these stages in files, under the fence.
    StoreInFiles(Vec<Stage>),
    /// Remembers that the files lack a stage. The operator wants none now.
    NoteFilesIncomplete,
    /// Ends the files as the row says, with all that the row has.
    EndFiles,
    /// Stores these stages in the ended row.
    FillRow(Vec<Stage>),
    /// Stores the report in the ended row.
    FillReport,
    /// Stores the frontend's rows of a completed run where they are missing.
    FillFrontendRows,
    /// Stores in the ended run's files what the row has.
    FillFiles,
    /// Keeps the proof on both sides, if the row is still as it was read.
    Prove,
    /// Notes in the row which parts differ.
    NoteConflict(Vec<Part>),
    /// Removes the mark of files that a retry elsewhere has superseded.
    UnmarkSuperseded,
    /// Tells the frontend's step rows why the run has ended: the frontend ended it itself.
    CloseFrontendRow,
    /// Returns the attempt to a row that another worker has.
    ReleaseRow,
    /// Removes the files of a deleted run.
    PurgeFiles,
    /// Ends the open files of a run whose row is gone.
    CancelMissingRow,
    /// Leaves the ended files of a run whose row is gone, and reports it.
    ReportMissingRow,
}

/// Plans the steps after which both sides of a run hold the same. No step: another process does it, or nothing is missing.
#[must_use]
pub(crate) fn plan(trigger: Trigger, sides: &Sides<'_>) -> Vec<Step> {
    match trigger {
        Trigger::Claim => on_claim(sides),
        Trigger::Lost => on_loss(sides),
        Trigger::Automatic | Trigger::Command => reconcile(trigger, sides),
    }
}

/// Whether a claim that came from the files has to take the row before work goes on.
///
/// With peers, also a run without a known row: the frontend may have asked another replica for it. And a run that was
/// retried in files: the row of the generation before may have more stages.
#[must_use]
pub(crate) fn must_take_row(know: &FilesKnow, generation: i32, is_alone: bool) -> bool {
    know.has_row() || !is_alone || generation > 1
}

/// Takes the row of a run under way, which came from the files, with all that they have.
#[must_use]
pub(crate) fn take_row(file: Option<&RunRecord>) -> Vec<Step> {
    let mut steps = vec![Step::TakeRow];
    push(
        &mut steps,
        Step::StoreInRow,
        file.map(|file| file.stages.keys().copied().collect()).unwrap_or_default(),
    );
    steps
}

/// A claimed run whose row the worker holds. A part that differs stays on both sides, with its mark, for reconciliation.
fn on_claim(sides: &Sides<'_>) -> Vec<Step> {
    let (RowSide::Present { record: row, .. }, Some(file)) = (sides.row, sides.file) else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    push(&mut steps, Step::StoreInRow, lacking(file, |stage| row.stages.contains_key(stage)));
    let is_equal = |stage: &Stage| {
        let digest = |side: &RunRecord| side.stages.get(stage).map(|held| held.sha256.clone());
        digest(row).is_some() && digest(row) == digest(file)
    };
    push(&mut steps, Step::MarkSynced, sides.know.pending.iter().copied().filter(is_equal).collect());
    if has_ended(file) && file.generation >= row.generation {
        if file.failure.is_some() || file.report.is_some() || row.report.is_some() {
            steps.push(Step::EndRow);
        }
        return steps;
    }
    let missing = lacking(row, |stage| file.stages.contains_key(stage));
    match sides.expects_files {
        true => push(&mut steps, Step::StoreInFiles, missing),
        false if missing.is_empty() => {}
        false => steps.push(Step::NoteFilesIncomplete),
    }
    steps
}

/// A run that is not this process's: the files end as the row has, or wait for the next claim.
fn on_loss(sides: &Sides<'_>) -> Vec<Step> {
    let row = match sides.row {
        RowSide::Deleted => return vec![Step::PurgeFiles],
        // Accepted by file, or asked for again: its row has yet to come.
        RowSide::Missing if !sides.know.has_row() || sides.know.has_ended => return Vec::new(),
        RowSide::Missing => return vec![Step::CancelMissingRow],
        RowSide::Present { record, .. } => record,
    };
    let mut steps = Vec::new();
    if row.status == RunStatus::Failed && row.failure.is_none() {
        steps.push(Step::CloseFrontendRow);
    }
    if row.status == RunStatus::Processing {
        // This process lives; it only lost the lease. So its attempt does not count.
        if sides.fence.is_some_and(|(fence, owns_row)| owns_row && row.epoch > fence.epoch) {
            steps.push(Step::ReleaseRow);
        }
    } else if sides.expects_files {
        steps.push(Step::EndFiles);
    }
    steps
}

/// An ended run, from outside of its work.
fn reconcile(trigger: Trigger, sides: &Sides<'_>) -> Vec<Step> {
    let Some(file) = sides.file else { return Vec::new() };
    let (row, damaged, names_caller) = match sides.row {
        RowSide::Deleted => return vec![Step::PurgeFiles],
        RowSide::Missing if trigger == Trigger::Automatic && sides.know.database_had_all() => {
            return vec![Step::ReportMissingRow];
        }
        RowSide::Missing if !has_ended(file) => return Vec::new(),
        RowSide::Missing => return bring_row_up(file.stages.keys().copied().collect(), false),
        RowSide::Present { record, damaged, names_caller } => (record, damaged, names_caller),
    };
    if row.is_leased || !has_ended(file) || row.generation > file.generation {
        let is_superseded = row.generation > file.generation && row.status == RunStatus::Completed;
        return if is_superseded { vec![Step::UnmarkSuperseded] } else { Vec::new() };
    }
    let is_open = may_be_ended(row, file);
    let parts = conflicts(row, file, damaged, is_open);
    if !parts.is_empty() {
        return vec![Step::NoteConflict(parts)];
    }
    let missing = lacking(file, |stage| row.stages.contains_key(stage));
    if is_open {
        return bring_row_up(missing, names_caller && row.generation == file.generation);
    }
    fill(row, file, missing)
}

/// An open row, or one that the files may end: takes it, stores the stages in order, ends it as the files say.
fn bring_row_up(missing: Vec<Stage>, has_lease: bool) -> Vec<Step> {
    let mut steps = if has_lease { Vec::new() } else { vec![Step::TakeRow] };
    push(&mut steps, Step::StoreInRow, missing);
    steps.push(Step::EndRow);
    steps
}

/// Both have ended alike: one fills the other, and a run that is equal is proved. Stages first: the frontend's rows are made
/// of all of them.
fn fill(row: &RunRecord, file: &RunRecord, missing: Vec<Stage>) -> Vec<Step> {
    if !missing.is_empty() {
        return vec![Step::FillRow(missing)];
    }
    if row.report.is_none() && file.report.is_some() {
        return vec![Step::FillReport];
    }
    let last = if differences(row, file).is_empty() { Step::Prove } else { Step::FillFiles };
    vec![Step::FillFrontendRows, last]
}

/// Whether the files may still end the row: it is open, of an older generation, or ended by the frontend.
///
/// The frontend, when a webhook tells it so, ends a row with FAILED and without an error code, also for a cancelled run.
/// A row that nobody has accepted here it may have ended in any way.
fn may_be_ended(row: &RunRecord, file: &RunRecord) -> bool {
    let is_frontends = row.status == RunStatus::Failed && row.failure.is_none()
        || row.accepted_at.is_none() && row.status != file.status;
    row.status == RunStatus::Processing || row.generation < file.generation || is_frontends
}

fn push(steps: &mut Vec<Step>, step: impl FnOnce(Vec<Stage>) -> Step, stages: Vec<Stage>) {
    if !stages.is_empty() {
        steps.push(step(stages));
    }
}

#[cfg(test)]
mod tests;
