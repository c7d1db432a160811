//! What has to be done so that a row holds what the files hold; nothing here touches a store.
//!
//! # Rules
//!
//! * What is missing is filled. What is equal is left. What differs is a conflict: both are kept, and an operator says.
//! * A higher generation wins. Within one, a run that has ended never goes back.
//! * A run that somebody works on is nobody else's business.

use pipeline::{
    record::sha256_hex,
    run::{RunStatus, Stage},
};

use crate::{Part, RunRecord};

/// What is to be done with one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Somebody works on it, or will: the run itself brings both sides together.
    Leave,
    /// The database knows nothing of it, or has it open: take it, store these stages, end it as the files say.
    Replay { stages: Vec<Stage> },
    /// The row has ended as the files say and lacks these stages; with none it only has to be proved.
    Fill { stages: Vec<Stage> },
    /// Both hold something, and not the same.
    Conflict { parts: Vec<Part> },
}

/// Compares a row with the files of the same run.
#[must_use]
pub fn plan(row: Option<&RunRecord>, file: &RunRecord) -> Plan {
    let has_ended = file.status != RunStatus::Processing;
    let Some(row) = row else {
        let stages = file.stages.keys().copied().collect();
        return if has_ended { Plan::Replay { stages } } else { Plan::Leave };
    };
    if row.is_leased || !has_ended || row.generation > file.generation {
        return Plan::Leave;
    }
    let mut parts: Vec<Part> = differing_stages(row, file).map(Part::Stage).collect();
    let missing = file.stages.keys().copied().filter(|stage| !row.stages.contains_key(stage)).collect();
    // Told by a webhook, the frontend ends a row with FAILED and without an error code, also for a cancelled run; and what
    // nobody has accepted here it may have ended in any way.
    let is_frontends = row.status == RunStatus::Failed && row.failure.is_none()
        || row.accepted_at.is_none() && row.status != file.status;
    if row.status == RunStatus::Processing || row.generation < file.generation || is_frontends {
        return if parts.is_empty() { Plan::Replay { stages: missing } } else { Plan::Conflict { parts } };
    }
    if differs(row.report.as_ref(), file.report.as_ref()) {
        parts.push(Part::Report);
    }
    if row.status != file.status {
        parts.insert(0, Part::Status);
    }
    if parts.is_empty() { Plan::Fill { stages: missing } } else { Plan::Conflict { parts } }
}

/// The parts that one side lacks or holds differently; none where both hold the same.
#[must_use]
pub fn differences(row: &RunRecord, file: &RunRecord) -> Vec<Part> {
    let mut parts = Vec::new();
    if (row.status, row.generation) != (file.status, file.generation) {
        parts.push(Part::Status);
    }
    for stage in Stage::ALL {
        let (ours, theirs) = (row.stages.get(&stage), file.stages.get(&stage));
        if ours.map(|held| &held.sha256) != theirs.map(|held| &held.sha256) {
            parts.push(Part::Stage(stage));
        }
    }
    let digest = |snapshot: &RunRecord| snapshot.report.as_ref().map(|report| sha256_hex(report.as_bytes()));
    if digest(row) != digest(file) {
        parts.push(Part::Report);
    }
    parts
}

/// Whether a side has a part. Every side has a status.
#[must_use]
pub fn holds(side: &RunRecord, part: Part) -> bool {
    match part {
        Part::Status => true,
        Part::Stage(stage) => side.stages.contains_key(&stage),
        Part::Report => side.report.is_some(),
    }
}

fn differing_stages(row: &RunRecord, file: &RunRecord) -> impl Iterator<Item = Stage> {
    Stage::ALL.into_iter().filter(|stage| match (row.stages.get(stage), file.stages.get(stage)) {
        (Some(ours), Some(theirs)) => ours.sha256 != theirs.sha256,
        _ => false,
    })
}

fn differs<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}
