//! Two records of one run compared, part by part.

use pipeline::{
    record::sha256_hex,
    run::{RunStatus, Stage},
};

use crate::{merge::belong_together, part::Part, run::RunRecord};

/// The stages of `file` that a row lacks, in order.
#[must_use]
pub(super) fn lacking(file: &RunRecord, has: impl Fn(&Stage) -> bool) -> Vec<Stage> {
    file.stages.keys().copied().filter(|stage| !has(stage)).collect()
}

/// The parts that both sides hold and that differ, and the parts that somebody changed in the row by hand.
#[must_use]
pub(super) fn conflicts(row: &RunRecord, file: &RunRecord, damaged: &[Part], is_open: bool) -> Vec<Part> {
    let differs = |stage: &Stage| match (row.stages.get(stage), file.stages.get(stage)) {
        (Some(ours), Some(theirs)) => ours.sha256 != theirs.sha256,
        _ => false,
    };
    let mut parts: Vec<Part> = Stage::ALL.into_iter().filter(differs).map(Part::Stage).collect();
    if !is_open {
        if matches!((&row.report, &file.report), (Some(ours), Some(theirs)) if ours != theirs) {
            parts.push(Part::Report);
        }
        if row.status != file.status {
            parts.push(Part::Status);
        }
    }
    if !belong_together(row, file) {
        parts.push(Part::Status);
    }
    // The end overwrites the report of an open row.
    let is_overwritten = |part: &Part| is_open && parts.is_empty() && *part == Part::Report;
    let changed: Vec<Part> = damaged.iter().copied().filter(|part| !is_overwritten(part)).collect();
    parts.extend(changed);
    parts.sort_unstable();
    parts.dedup();
    parts
}

/// The parts that one side lacks or holds differently; none where both hold the same.
#[must_use]
pub(super) fn differences(row: &RunRecord, file: &RunRecord) -> Vec<Part> {
    let mut parts = Vec::new();
    if (row.status, row.generation) != (file.status, file.generation) || !belong_together(row, file) {
        parts.push(Part::Status);
    }
    for stage in Stage::ALL {
        let (ours, theirs) = (row.stages.get(&stage), file.stages.get(&stage));
        if ours.map(|held| &held.sha256) != theirs.map(|held| &held.sha256) {
            parts.push(Part::Stage(stage));
        }
    }
    let digest = |side: &RunRecord| side.report.as_ref().map(|report| sha256_hex(report.as_bytes()));
    if digest(row) != digest(file) {
        parts.push(Part::Report);
    }
    parts
}

/// Whether a side has a part. Every side has a status.
#[must_use]
pub(super) fn holds(side: &RunRecord, part: Part) -> bool {
    match part {
        Part::Status => true,
        Part::Stage(stage) => side.stages.contains_key(&stage),
        Part::Report => side.report.is_some(),
    }
}

/// Whether the run has ended on this side.
#[must_use]
pub(super) fn has_ended(side: &RunRecord) -> bool {
    side.status != RunStatus::Processing
}
