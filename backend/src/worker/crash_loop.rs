//! Runs that end the process again and again: parked, so that they take nobody with them.

use pipeline::{
    failure::{FailureCode, RunFailure},
    record::StageRecord,
    run::Stage,
};

use storage::Fence;

/// Attempts at one stage that may end without storing it. One crash may have been another run's, and two a bad day of
/// the machine's; after three in a row it is the run's own.
const ATTEMPTS_MAX: i32 = 3;

/// Whether no further attempt would be made.
pub(super) const fn is_last(fence: &Fence) -> bool {
    fence.attempt >= ATTEMPTS_MAX
}

/// Why a claimed run is not worked on any more, if it is not.
pub(super) fn check(fence: &Fence, stored: &[StageRecord]) -> Option<RunFailure> {
    if fence.attempt <= ATTEMPTS_MAX {
        return None;
    }
    // With nothing stored it may have been the document.
    let stage = stored
        .last()
        .and_then(|_| Stage::ALL.into_iter().find(|stage| stored.iter().all(|it| it.meta.stage != *stage)));
    let message = format!(
        "{ATTEMPTS_MAX} attempts in a row ended with the process that made them, before anything new was stored; \
         what is stored is kept. Look at the document and the log, then retry"
    );
    Some(RunFailure::new(FailureCode::CrashLoop, stage, message, true))
}

#[cfg(test)]
mod tests {
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
        };
        let stored = [record(Stage::InputProcessing, "one")];
        assert_eq!(check(&fence(3), &stored), None);
        let failure = check(&fence(4), &stored).unwrap();
        assert_eq!((failure.code, failure.stage), (FailureCode::CrashLoop, Some(Stage::SignalAmplification)));
        assert!(failure.can_retry);
        assert_eq!(check(&fence(4), &[]).unwrap().stage, None);
    }
}
