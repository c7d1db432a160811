//! Merges the two stores' records of a run into one.

use pipeline::run::RunStatus;

use crate::run::RunRecord;

/// Merges a run's row and files. The higher generation wins. Within one generation, an ended run wins, then
/// the database. The stages are joined. If two records of a stage differ, the winner's is shown.
#[must_use]
pub(super) fn merge(row: Option<RunRecord>, file: Option<RunRecord>) -> Option<RunRecord> {
    let (row, file) = match (row, file) {
        (Some(row), Some(file)) => (row, file),
        (one, other) => return one.or(other),
    };
    let rank = |snapshot: &RunRecord| (snapshot.generation, snapshot.status != RunStatus::Processing);
    let (mut winner, other) = if rank(&file) > rank(&row) { (file, row) } else { (row, file) };
    for (stage, held) in other.stages {
        match winner.stages.get_mut(&stage) {
            Some(ours) if ours.sha256 == held.sha256 => ours.stored_in = ours.stored_in.and(held.stored_in),
            Some(_) => {}
            None => {
                winner.stages.insert(stage, held);
            }
        }
    }
    winner.stored_in = winner.stored_in.and(other.stored_in);
    winner.is_leased |= other.is_leased;
    winner.waiting = winner.waiting.or(other.waiting);
    winner.request = winner.request.or(other.request);
    winner.accepted_at = winner.accepted_at.or(other.accepted_at);
    winner.report = winner.report.or(other.report);
    Some(winner)
}
