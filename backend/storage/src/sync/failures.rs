//! The runs that a survey could not settle. They are tried again in the background, and health counts them until then.

use std::{collections::VecDeque, time::Duration};

use pipeline::run::RunId;

/// The most runs that are remembered. A later survey finds the others again.
const RUNS_MAX: usize = 100;

/// Runs of one attempt.
const RETRIES_MAX: usize = 20;

/// The wait between two attempts. It doubles up to the second value while a run fails again.
const WAITS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));

/// The failures of surveys.
#[derive(Debug, Default)]
pub(super) struct Failures {
    runs: VecDeque<RunId>,
    /// When the next attempt may begin, by the monotonic clock.
    next_at: Duration,
    waited: Option<Duration>,
}

impl Failures {
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Takes the runs whose next attempt is due.
    pub(super) fn due(&mut self, now: Duration) -> Vec<RunId> {
        if self.runs.is_empty() || now < self.next_at {
            return Vec::new();
        }
        let wait = self.waited.map_or(WAITS.0, |waited| (waited * 2).min(WAITS.1));
        (self.waited, self.next_at) = (Some(wait), now + wait);
        self.runs.drain(..self.runs.len().min(RETRIES_MAX)).collect()
    }

    /// Remembers the runs that failed now.
    pub(super) fn add(&mut self, failed: &[RunId], now: Duration) {
        if self.runs.is_empty() && failed.is_empty() {
            self.waited = None;
        } else if self.waited.is_none() {
            (self.waited, self.next_at) = (Some(WAITS.0), now + WAITS.0);
        }
        for run in failed {
            if self.runs.len() < RUNS_MAX && !self.runs.contains(run) {
                self.runs.push_back(run.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(range: std::ops::Range<usize>) -> Vec<RunId> {
        range.map(|number| RunId::parse(&format!("run-{number}")).unwrap()).collect()
    }

    #[test]
    fn failures_are_bounded_and_tried_in_turn() {
        let mut failures = Failures::default();
        let all = runs(0..2 * RUNS_MAX);
        failures.add(&all, Duration::ZERO);
        assert_eq!((failures.len(), failures.due(Duration::ZERO)), (RUNS_MAX, Vec::new()));
        let first = failures.due(WAITS.0);
        assert_eq!(first, runs(0..RETRIES_MAX));
        failures.add(&first, WAITS.0);
        let second = failures.due(WAITS.0 * 3);
        assert_eq!(second, runs(RETRIES_MAX..2 * RETRIES_MAX));
        assert_eq!(failures.due(WAITS.0 * 4), Vec::new(), "the wait has doubled");
    }
}
