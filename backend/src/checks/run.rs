//! Asks all checks at once.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use pipeline::clock::Clock;

use super::{
    check::{Check, Finding},
    report::Answered,
};

/// The time limit of a check: the longest that a person waits for one that hangs.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Asks all checks at once, and returns the answers in the same order.
pub async fn run(checks: Vec<Check>, clock: &Arc<dyn Clock>) -> Vec<Answered> {
    join_all(checks.into_iter().map(|check| ask(check, clock.clone()))).await
}

async fn ask(check: Check, clock: Arc<dyn Clock>) -> Answered {
    let begun = clock.monotonic();
    // A task of its own, so that a panic ends this check alone.
    let mut task = tokio::spawn({
        let check = check.clone();
        async move { check.ask().await }
    });
    let finding = match tokio::time::timeout(LIMIT, &mut task).await {
        Ok(Ok(finding)) => finding,
        Ok(Err(_)) => Finding::could_not_check("the check itself crashed; please report it with its id"),
        Err(_) => {
            task.abort();
            Finding::could_not_check(format!("no answer within {} s", LIMIT.as_secs()))
        }
    };
    Answered { check, finding, elapsed: clock.monotonic().saturating_sub(begun) }
}

#[cfg(test)]
mod tests {
    use foundation::clock::SystemClock;

    use super::*;
    use crate::checks::check::{Severity, Verdict};

    #[tokio::test(start_paused = true)]
    async fn a_crash_or_hang_could_not_check() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let checks = vec![
            Check::new("crashes", "", Severity::Minor, || async { panic!("on purpose") }),
            Check::new("hangs", "", Severity::Minor, std::future::pending),
            Check::new("works", "", Severity::Minor, || async { Finding::ok("yes") }),
        ];
        let answers = run(checks, &clock).await;
        let verdicts: Vec<_> = answers.iter().map(|answer| answer.finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::CouldNotCheck, Verdict::CouldNotCheck, Verdict::Ok]);
    }
}
