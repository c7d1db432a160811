//! The line of figures that the log gets every minute: what happened since the last one, and how things stand.

use std::time::Duration;

use super::{
    figures::Counts,
    metrics::{Measured, PoolState},
    metrics_json::{Sample, samples},
    names::{self, Metric},
};

/// The counters at the last line.
#[derive(Debug, Default)]
pub struct Minutes {
    requests: Counts,
    samples: Vec<Sample>,
}

impl Minutes {
    /// Begins to count now.
    #[must_use]
    pub fn since(text: &str) -> Self {
        let samples = samples(text);
        Self { requests: Counts::of(&samples), samples }
    }

    /// Logs one line. An unknown figure is left out.
    pub fn log(&mut self, text: &str, measured: &Measured, period: Duration) {
        let now = Self::since(text);
        let requests = now.requests.since(&self.requests);
        let grown = |metric: &Metric, label: Option<(&str, &str)>| {
            (sum(&now.samples, metric, label) - sum(&self.samples, metric, label)).max(0.0)
        };
        let whole = |metric: &Metric, label: Option<(&str, &str)>| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count, at least 0"
            )]
            let count = grown(metric, label) as u64;
            count
        };
        let pool = measured.pool;
        tracing::info!(
            event = "figures",
            period_seconds = period.as_secs(),
            requests = requests.requests,
            request_mean_ms = rounded(requests.mean_ms),
            request_p95_ms = rounded(requests.p95_ms),
            request_error_share = rounded(requests.error_share),
            runs_accepted = whole(&names::RUNS_ACCEPTED, None),
            runs_completed = whole(&names::RUNS_ENDED, Some(("status", "COMPLETED"))),
            runs_failed = whole(&names::RUNS_ENDED, Some(("status", "FAILED"))),
            stages_stored = whole(&names::STAGES_STORED, None),
            idempotency_hits = whole(&names::IDEMPOTENCY_HITS, None),
            cache_hits = whole(&names::ANSWER_LOOK_UPS, Some(("result", "hit"))),
            calls_retried = whole(&names::CALLS, Some(("result", "after_retry"))),
            calls_failed = whole(&names::CALLS, Some(("result", "permanent_failure"))),
            webhooks_delivered = whole(&names::WEBHOOKS, Some(("result", "delivered"))),
            cost_usd = rounded(grown(&names::LLM_COST, None)),
            runs_in_flight = measured.runs_in_flight,
            runs_stalled = measured.runs_stalled,
            queue_depth = measured.queue_depth,
            unsynced_stages = measured.unsynced_stages,
            oldest_unsynced_seconds = measured.oldest_unsynced_seconds,
            sync_conflicts = measured.conflicts,
            pool_active = pool.map(|PoolState { active, .. }| active),
            pool_idle = pool.map(|PoolState { idle, .. }| idle),
            pool_waiting = pool.map(|PoolState { waiting, .. }| waiting),
            pool_exhausted = whole(&names::POOL_EXHAUSTED, None),
            mode = measured.effective_mode,
            is_database_breaker_open = measured.is_database_breaker_open,
            "figures of the last {} s",
            period.as_secs()
        );
        *self = now;
    }
}

/// The sum of a counter over all its labels, or over those with this one.
fn sum(samples: &[Sample], metric: &Metric, label: Option<(&str, &str)>) -> f64 {
    let is_of = |sample: &&Sample| {
        sample.name.strip_suffix("_total") == Some(metric.name)
            && label.is_none_or(|(name, value)| sample.labels.get(name).is_some_and(|found| found == value))
    };
    samples.iter().filter(is_of).map(|sample| sample.value).sum()
}

/// To four places: a line for people has no noise.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_its_labels() {
        let text = "innovation_runs_ended_total{status=\"FAILED\",code=\"A\"} 2\n\
                    innovation_runs_ended_total{status=\"FAILED\",code=\"B\"} 3\n\
                    innovation_runs_ended_total{status=\"COMPLETED\",code=\"NONE\"} 7\n";
        let samples = samples(text);
        assert!((sum(&samples, &names::RUNS_ENDED, Some(("status", "FAILED"))) - 5.0).abs() < 1e-9);
        assert!((sum(&samples, &names::RUNS_ENDED, None) - 12.0).abs() < 1e-9);
    }
}
