//! The counters of service level at one time. They only grow while a process lives.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spread::Spread;

/// Counters at a time, or their growth over a span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Answered requests, without those about the service itself (health, metrics, documentation).
    pub requests: u64,
    /// Answers of 500 and above among them.
    pub errors: u64,
    /// Submissions that were accepted, or that the service failed to accept.
    pub submissions: u64,
    /// Submissions that the service failed to accept: answers of 500 and above.
    pub submissions_refused: u64,
    pub runs_completed: u64,
    /// Runs that failed for a reason other than their own request.
    pub runs_failed: u64,
    /// Runs that were cancelled, or whose document or brand cannot be used.
    pub runs_unusable: u64,
    /// From a request's headers to its answer's.
    pub latency: Spread,
    /// From acceptance to the first stored stage.
    pub first_stage: Spread,
    /// From acceptance to a completed run.
    pub run: Spread,
}

impl Counts {
    /// The growth since an earlier time of the same process.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.with(before, u64::saturating_sub, Spread::since)
    }

    /// The sum of two spans or replicas.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add, Spread::plus)
    }

    fn with(
        &self,
        other: &Self,
        number: fn(u64, u64) -> u64,
        spread: fn(&Spread, &Spread) -> Spread,
    ) -> Self {
        Self {
            requests: number(self.requests, other.requests),
            errors: number(self.errors, other.errors),
            submissions: number(self.submissions, other.submissions),
            submissions_refused: number(self.submissions_refused, other.submissions_refused),
            runs_completed: number(self.runs_completed, other.runs_completed),
            runs_failed: number(self.runs_failed, other.runs_failed),
            runs_unusable: number(self.runs_unusable, other.runs_unusable),
            latency: spread(&self.latency, &other.latency),
            first_stage: spread(&self.first_stage, &other.first_stage),
            run: spread(&self.run, &other.run),
        }
    }

    /// The same as figures for people and rules.
    #[must_use]
    pub fn figures(&self, window: Duration, covered: Duration) -> Figures {
        let millis = |spread: &Spread| spread.quantile(0.95).map(|seconds| seconds * 1_000.0);
        Figures {
            window_seconds: window.as_secs(),
            covered_seconds: covered.as_secs(),
            requests: self.requests,
            errors: self.errors,
            p95_ms: millis(&self.latency),
            submissions: self.submissions,
            submissions_refused: self.submissions_refused,
            runs_ended: self.runs_completed + self.runs_failed + self.runs_unusable,
            runs_completed: self.runs_completed,
            runs_failed: self.runs_failed,
            runs_unusable: self.runs_unusable,
            first_stages: self.first_stage.count(),
            first_stage_p95_ms: millis(&self.first_stage),
            run_p95_ms: millis(&self.run),
        }
    }
}

/// The service level over a window. Runs of golden paths are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    pub window_seconds: u64,
    /// How much of the window is known: less after a start.
    pub covered_seconds: u64,
    /// Answered requests, without those about the service itself.
    pub requests: u64,
    /// Answers of 500 and above among them.
    pub errors: u64,
    /// None without a request.
    pub p95_ms: Option<f64>,
    /// Submissions that were accepted, or that the service failed to accept.
    pub submissions: u64,
    pub submissions_refused: u64,
    /// The sum of the next three.
    pub runs_ended: u64,
    pub runs_completed: u64,
    /// Runs that failed for a reason other than their own request.
    pub runs_failed: u64,
    /// Runs that were cancelled, or whose document or brand cannot be used. They say nothing about the service.
    pub runs_unusable: u64,
    pub first_stages: u64,
    /// From acceptance to the first stored stage.
    pub first_stage_p95_ms: Option<f64>,
    /// From acceptance to completion.
    pub run_p95_ms: Option<f64>,
}

impl Figures {
    /// Answers of 500 and above, from 0 to 1. None without a request.
    #[must_use]
    pub fn error_share(&self) -> Option<f64> {
        share(self.errors, self.requests)
    }

    /// Failed runs among those that say something about the service, from 0 to 1. None without such a run.
    #[must_use]
    pub fn failed_share(&self) -> Option<f64> {
        share(self.runs_failed, self.runs_failed + self.runs_completed)
    }
}

/// A part of a whole, from 0 to 1. None without a whole.
#[must_use]
pub fn share(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests or runs")]
    let share = part as f64 / whole as f64;
    (whole > 0).then_some(share)
}
