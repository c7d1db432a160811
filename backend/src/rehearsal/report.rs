//! The report of a rehearsal: its steps with their timings.

use std::{sync::Arc, time::Duration};

use pipeline::clock::Clock;
use serde::Serialize;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// A stable id, for example `rollback.drop`.
    pub id: &'static str,
    pub passed: bool,
    pub ms: u64,
    /// A sentence: the result, or the reason of the failure.
    pub detail: String,
}

/// The whole rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RehearsalReport {
    pub passed: bool,
    /// The scratch database's name.
    pub database: String,
    /// Runs with outputs that both rollbacks took away and that came back.
    pub runs: u32,
    pub total_ms: u64,
    pub steps: Vec<Step>,
}

/// Takes the time of each step, and tells it.
pub(super) struct Recorder<'a> {
    clock: Arc<dyn Clock>,
    begun: Duration,
    steps: Vec<Step>,
    tell: &'a (dyn Fn(&Step) + Send + Sync),
}

impl<'a> Recorder<'a> {
    pub(super) fn new(clock: Arc<dyn Clock>, tell: &'a (dyn Fn(&Step) + Send + Sync)) -> Self {
        let begun = clock.monotonic();
        Self { clock, begun, steps: Vec::new(), tell }
    }

    /// Does one step. None if it failed, which ends the rehearsal.
    pub(super) async fn step<T>(
        &mut self,
        id: &'static str,
        work: impl Future<Output = Result<(T, String), String>>,
    ) -> Option<T> {
        let begun = self.clock.monotonic();
        let result = work.await;
        let ms = millis(self.clock.monotonic().saturating_sub(begun));
        let (value, passed, detail) = match result {
            Ok((value, detail)) => (Some(value), true, detail),
            Err(detail) => (None, false, detail),
        };
        self.note(Step { id, passed, ms, detail });
        value
    }

    /// Notes a step that was done elsewhere.
    pub(super) fn note(&mut self, step: Step) {
        (self.tell)(&step);
        self.steps.push(step);
    }

    pub(super) fn report(self, database: &str, runs: u32) -> RehearsalReport {
        RehearsalReport {
            passed: self.steps.iter().all(|step| step.passed),
            database: database.to_owned(),
            runs,
            total_ms: millis(self.clock.monotonic().saturating_sub(self.begun)),
            steps: self.steps,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
