//! Ends runs that crash the process again and again, so that they do not take other runs down.

use pipeline::{
    failure::{FailureCode, RunFailure},
    record::StageRecord,
    run::Stage,
};

use storage::Fence;

/// The most attempts in a row that may end without storing a stage. The run shares its worker in the first two,
/// and another run may be the cause. It is alone in the third one.
const ATTEMPTS_MAX: i32 = 3;

/// Whether no further attempt will follow, so that the run must be alone.
pub(super) const fn is_last(fence: &Fence) -> bool {
    fence.attempt >= ATTEMPTS_MAX
}

/// The failure of a claimed run that has used up its attempts.
pub(super) fn check(fence: &Fence, stored: &[StageRecord]) -> Option<RunFailure> {
    if fence.attempt <= ATTEMPTS_MAX {
        return None;
    }
    // With nothing stored, the document may be the cause.
    let stage = stored
        .last()
        .and_then(|_| Stage::ALL.into_iter().find(|stage| stored.iter().all(|it| it.meta.stage != *stage)));
    let message = format!(
        "{ATTEMPTS_MAX} attempts in a row crashed the process before a new stage was stored, the last one while no other \
         run was active; what is stored is kept. Look at the document and the log, then retry the run"
    );
    Some(RunFailure::new(FailureCode::CrashLoop, stage, message, true))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pipeline::run::RunId;

    use super::*;
    use storage::contract::record;

    #[test]
    fn the_fourth_attempt_is_not_made() {
        let fence = |attempt| Fence {
            run: RunId::parse("r1").unwrap(),
            owner: "one".to_owned(),
            epoch: attempt,
            generation: 1,
            attempt,
            owns_row: true,
            row_stages: BTreeSet::new(),
        };
        let stored = [record(Stage::InputProcessing, "one")];
        assert_eq!(check(&fence(3), &stored), None);
        let failure = check(&fence(4), &stored).unwrap();
        assert_eq!((failure.code, failure.stage), (FailureCode::CrashLoop, Some(Stage::SignalAmplification)));
        assert!(failure.can_retry);
        assert_eq!(check(&fence(4), &[]).unwrap().stage, None);
    }
}
