//! The counters of a process since its start, and the figures of a span of time. They are those of the service level objectives, so that
//! alerts and arbiter speak of the same things.

use std::time::Duration;

use pipeline::failure::FailureCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    objectives::{Counts, counters},
    telemetry::{
        metrics,
        metrics_json::{self, Sample},
        names,
    },
};

/// The codes of a run that no store took.
const STORAGE_FAILURES: [FailureCode; 1] = [FailureCode::StorageUnavailable];

/// The codes of a run whose model's provider was away. A refused key is none: it may be this deployment's alone.
const MODEL_FAILURES: [FailureCode; 4] =
    [FailureCode::LlmRateLimit, FailureCode::LlmCredits, FailureCode::LlmTimeout, FailureCode::LlmError];

/// Counters that only grow while a process lives. Those of several processes can be added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    pub counts: Counts,
    /// Failed runs that no store took.
    pub storage_failures: u64,
    /// Failed runs whose model's provider was away.
    pub model_failures: u64,
}

/// The figures of a span of time. Runs of golden paths, and those that failed by their document or brand, are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SpanFigures {
    pub requests: u64,
    /// Answers of 500 and above.
    pub errors: u64,
    /// From 0 to 1.
    pub error_share: f64,
    pub p95_ms: f64,
    /// Ended runs.
    pub runs: u64,
    pub failed_runs: u64,
    /// Failed runs that no store took.
    pub storage_failures: u64,
    /// Failed runs whose model's provider was away.
    pub model_failures: u64,
}

impl Totals {
    /// Adds those of another process.
    pub fn add(&mut self, other: &Self) {
        self.counts = self.counts.plus(&other.counts);
        self.storage_failures = self.storage_failures.saturating_add(other.storage_failures);
        self.model_failures = self.model_failures.saturating_add(other.model_failures);
    }

    /// The figures since an earlier time.
    #[must_use]
    pub fn since(&self, before: &Self) -> SpanFigures {
        let figures = self.counts.since(&before.counts).figures(Duration::ZERO, Duration::ZERO);
        SpanFigures {
            requests: figures.requests,
            errors: figures.errors,
            error_share: figures.error_share().unwrap_or_default(),
            p95_ms: figures.p95_ms.unwrap_or_default(),
            runs: figures.runs_completed + figures.runs_failed,
            failed_runs: figures.runs_failed,
            storage_failures: self.storage_failures.saturating_sub(before.storage_failures),
            model_failures: self.model_failures.saturating_sub(before.model_failures),
        }
    }
}

/// Those of this process.
#[must_use]
pub(super) fn own_totals() -> Totals {
    let samples = metrics::counted().map(|text| metrics_json::samples(&text)).unwrap_or_default();
    Totals {
        counts: counters::read(),
        storage_failures: failed_runs(&samples, &STORAGE_FAILURES),
        model_failures: failed_runs(&samples, &MODEL_FAILURES),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, not negative")]
fn failed_runs(samples: &[Sample], codes: &[FailureCode]) -> u64 {
    let is_one = |label: &String| codes.iter().any(|code| code.as_str() == label);
    let failed = |sample: &&Sample| {
        sample.name.strip_suffix("_total") == Some(names::RUNS_ENDED.name)
            && sample.labels.get("code").is_some_and(is_one)
    };
    samples.iter().filter(failed).map(|sample| sample.value).sum::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics_json::samples;

    #[test]
    fn processes_add_up_to_a_deployment() {
        let of = |requests, errors, failed| Totals {
            counts: Counts { requests, errors, runs_completed: 5, runs_failed: failed, ..Counts::default() },
            storage_failures: failed,
            model_failures: 2 * failed,
        };
        let mut both = of(100, 2, 1);
        both.add(&of(100, 0, 0));
        let json = serde_json::to_string(&both).unwrap();
        assert_eq!(serde_json::from_str::<Totals>(&json).unwrap(), both);
        let figures = both.since(&of(100, 0, 0));
        assert_eq!((figures.requests, figures.errors, figures.runs), (100, 2, 6));
        assert!((figures.error_share - 0.02).abs() < 1e-9 && figures.storage_failures == 1, "{figures:?}");
        assert_eq!(figures.model_failures, 2);
    }

    #[test]
    fn failed_runs_are_counted_by_code() {
        let text = "innovation_runs_ended_total{status=\"FAILED\",code=\"STORAGE_UNAVAILABLE\"} 3\n\
                    innovation_runs_ended_total{status=\"FAILED\",code=\"LLM_ERROR\"} 9\n\
                    innovation_runs_ended_total{status=\"FAILED\",code=\"LLM_TIMEOUT\"} 2\n\
                    innovation_runs_ended_total{status=\"FAILED\",code=\"LLM_AUTH\"} 5\n";
        assert_eq!(failed_runs(&samples(text), &STORAGE_FAILURES), 3);
        assert_eq!(failed_runs(&samples(text), &MODEL_FAILURES), 11);
    }
}
