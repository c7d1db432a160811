//! Merges the two stores' records of a run into one.

use pipeline::run::RunStatus;

use crate::{run::RunRecord, waiting::Waiting};

/// Merges a run's row and files. The higher generation wins. Within one generation, an ended run wins, then
/// the database. Only the row counts if they have different principals. The stages are joined. If two records of a stage differ, the winner's is shown.
#[must_use]
pub(super) fn merge(row: Option<RunRecord>, file: Option<RunRecord>) -> Option<RunRecord> {
    let (row, file) = match (row, file) {
        (Some(row), Some(file)) => (row, file),
        (one, other) => return one.or(other),
    };
    if !belong_together(&row, &file) {
        return Some(row);
    }
    let principal = row.principal.clone();
    let rank = |snapshot: &RunRecord| (snapshot.generation, snapshot.status != RunStatus::Processing);
    let (mut winner, other) = if rank(&file) > rank(&row) { (file, row) } else { (row, file) };
    winner.waiting = current_wait(&winner, &other).or_else(|| current_wait(&other, &winner));
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
    winner.request = winner.request.or(other.request);
    if let Some(request) = &mut winner.request {
        request.principal = principal.clone();
    }
    winner.principal = principal;
    winner.accepted_at = winner.accepted_at.or(other.accepted_at);
    winner.report = winner.report.or(other.report);
    Some(winner)
}

/// Whether a run's row and files have the same principal. Two may have used one id while the database was away; then
/// nothing of the one is shown to the other. An older release that wrote the files has removed their principal.
#[must_use]
pub(super) fn belong_together(row: &RunRecord, file: &RunRecord) -> bool {
    let digest = |side: &RunRecord| side.request.as_ref().map(|request| request.digest.clone());
    let is_lost = file.principal.is_environment() && digest(row) == digest(file);
    row.principal == file.principal || is_lost
}

/// The wait in one record, unless the other record shows that it is over. A retry and a stored stage end a wait.
fn current_wait(one: &RunRecord, other: &RunRecord) -> Option<Waiting> {
    let knows_retry = one.generation >= other.generation;
    let knows_stages = other.stages.keys().all(|stage| one.stages.contains_key(stage));
    one.waiting.filter(|_| knows_retry && knows_stages)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pipeline::{
        failure::RunFailure,
        run::{RunId, Stage},
    };

    use super::*;
    use crate::{
        contract::{at, record},
        control_plane::Principal,
        run::{StoredIn, StoredStage},
        waiting::{Postponement, WaitReason},
    };

    fn waits(generation: i32, stages: &[Stage]) -> RunRecord {
        let wait = Postponement { reason: WaitReason::LlmError, wait: Duration::ZERO, lost_usd: 0.0 };
        let held = |stage: &Stage| {
            let sha256 = String::new();
            (*stage, StoredStage { record: record(*stage, "one"), sha256, stored_in: StoredIn::FILES })
        };
        RunRecord {
            status: RunStatus::Processing,
            generation,
            stages: stages.iter().map(held).collect(),
            waiting: Some(Waiting::after(None, &wait, at("2026-11-30T12:00:00Z"))),
            ..RunRecord::of_failure(RunId::parse("r1").unwrap(), RunFailure::cancelled(None))
        }
    }

    fn idle(generation: i32, stages: &[Stage]) -> RunRecord {
        RunRecord { waiting: None, ..waits(generation, stages) }
    }

    fn waiting(row: &RunRecord, file: &RunRecord) -> bool {
        merge(Some(row.clone()), Some(file.clone())).unwrap().waiting.is_some()
    }

    fn of_principal(name: &str, stages: &[Stage]) -> RunRecord {
        RunRecord { principal: Principal::parse(name).unwrap(), ..idle(1, stages) }
    }

    #[test]
    fn the_rows_principal_wins() {
        let row = of_principal("team-a", &[Stage::InputProcessing]);
        for (file, stages) in [("team-b", 1), ("environment", 2)] {
            let file = RunRecord { generation: 2, ..of_principal(file, &[Stage::SignalAmplification]) };
            let merged = merge(Some(row.clone()), Some(file)).unwrap();
            assert_eq!(merged.principal, row.principal);
            assert_eq!(merged.stages.len(), stages, "another principal's stages are not shown");
        }
    }

    #[test]
    fn the_wait_may_stand_in_one_store() {
        assert!(waiting(&waits(1, &[]), &idle(1, &[])));
        assert!(waiting(&idle(1, &[]), &waits(1, &[])));
    }

    #[test]
    fn a_retry_in_one_store_ends_the_wait() {
        assert!(!waiting(&idle(2, &[]), &waits(1, &[])));
        assert!(!waiting(&waits(1, &[]), &idle(2, &[])));
    }

    #[test]
    fn a_stage_in_one_store_ends_the_wait() {
        assert!(!waiting(&idle(1, &[Stage::InputProcessing]), &waits(1, &[])));
        assert!(!waiting(&waits(1, &[]), &idle(1, &[Stage::InputProcessing])));
        assert!(waiting(&waits(1, &[Stage::InputProcessing]), &idle(1, &[])));
    }
}
