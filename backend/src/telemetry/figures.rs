//! The figures of a span of time: how many requests, how fast, with how many errors, and what they cost the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{metrics_json::Sample, names};

/// Routes that say nothing about the service's work.
const LEFT_OUT: [&str; 6] =
    ["/health", "/api/health", "/metrics", "/openapi.json", "/docs", names::GOLDEN_PATH_ROUTE];

/// Counters at a time. They only grow while a process lives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    requests: f64,
    /// Answers of 500 and above.
    errors: f64,
    /// Seconds of all requests.
    seconds: f64,
    /// Upper bounds in seconds, ascending, each with the requests of at most that.
    buckets: Vec<(f64, f64)>,
}

/// The requests between two times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    pub requests: u64,
    pub mean_ms: f64,
    pub p95_ms: f64,
    /// Answers of 500 and above, from 0 to 1.
    pub error_share: f64,
    /// From 0 to 1 of all processors. None while unknown.
    pub cpu_share: Option<f64>,
    /// From 0 to 1 of the container's limit. None while unknown.
    pub memory_share: Option<f64>,
    /// From 0 to 1 of the database pool. None without a database.
    pub pool_share: Option<f64>,
}

impl Counts {
    /// The counters in these samples.
    #[must_use]
    pub fn of(samples: &[Sample]) -> Self {
        let mut counts = Self::default();
        for Sample { name, labels, value } in samples {
            let route = labels.get("route").map_or("", String::as_str);
            if LEFT_OUT.iter().any(|out| route == *out || route.starts_with("/health/")) {
                continue;
            }
            match of(name) {
                (name, "total") if name == names::HTTP_REQUESTS.name => {
                    counts.requests += value;
                    if labels.get("status").is_some_and(|status| status.starts_with('5')) {
                        counts.errors += value;
                    }
                }
                (name, "sum") if name == names::HTTP_REQUEST_DURATION.name => counts.seconds += value,
                (name, "bucket") if name == names::HTTP_REQUEST_DURATION.name => {
                    let bound = labels.get("le").and_then(|bound| bound.parse().ok());
                    counts.add_bucket(bound.unwrap_or(f64::INFINITY), *value);
                }
                _ => {}
            }
        }
        counts.buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        counts
    }

    #[expect(clippy::float_cmp, reason = "bounds of the same text")]
    fn add_bucket(&mut self, bound: f64, count: f64) {
        match self.buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => self.buckets.push((bound, count)),
        }
    }

    /// The requests since an earlier time of the same process.
    #[must_use]
    pub fn since(&self, before: &Self) -> Figures {
        let requests = (self.requests - before.requests).max(0.0);
        if requests < 1.0 {
            return Figures::default();
        }
        let earlier = |bound: f64| {
            let known = before.buckets.iter().find(|(known, _)| known.total_cmp(&bound).is_eq());
            known.map_or(0.0, |(_, count)| *count)
        };
        let buckets: Vec<(f64, f64)> =
            self.buckets.iter().map(|(bound, count)| (*bound, count - earlier(*bound))).collect();
        Figures {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count, at least 1"
            )]
            requests: requests as u64,
            mean_ms: (self.seconds - before.seconds).max(0.0) / requests * 1000.0,
            p95_ms: quantile(&buckets, 0.95) * 1000.0,
            error_share: ((self.errors - before.errors) / requests).clamp(0.0, 1.0),
            ..Figures::default()
        }
    }
}

/// A sample's metric, and the suffix of its kind.
fn of(sample: &str) -> (&str, &str) {
    sample.rsplit_once('_').unwrap_or((sample, ""))
}

/// The quantile of cumulative buckets, linear within a bucket as in Prometheus. Above the last bound, that bound.
fn quantile(buckets: &[(f64, f64)], share: f64) -> f64 {
    let wanted = buckets.last().map_or(0.0, |(_, count)| count * share);
    let (mut low, mut below) = (0.0, 0.0);
    for &(bound, count) in buckets {
        if count >= wanted && count > below {
            if bound.is_infinite() {
                return low;
            }
            return low + (bound - low) * (wanted - below) / (count - below);
        }
        (low, below) = (bound, count);
    }
    low
}

/// The mean of several hours, each weighed by its requests.
#[must_use]
pub fn mean(hours: &[Figures]) -> Option<Figures> {
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let weight = |hour: &Figures| hour.requests as f64;
    let requests: f64 = hours.iter().map(weight).sum();
    if requests < 1.0 {
        return None;
    }
    let of = |figure: fn(&Figures) -> f64| {
        hours.iter().map(|hour| figure(hour) * weight(hour)).sum::<f64>() / requests
    };
    Some(Figures {
        requests: hours.iter().map(|hour| hour.requests).sum(),
        mean_ms: of(|hour| hour.mean_ms),
        p95_ms: of(|hour| hour.p95_ms),
        error_share: of(|hour| hour.error_share),
        ..Figures::default()
    })
}

/// Fewer requests prove nothing about a mean.
pub const REQUESTS_MIN: u64 = 50;

/// Everything that is worse than the previous deployment by more than its limit, or above a fixed limit. A sentence each.
#[must_use]
pub fn deviations(now: &Figures, before: Option<&Figures>) -> Vec<String> {
    let mut all = Vec::new();
    let comparable = before.filter(|before| now.requests >= REQUESTS_MIN && before.requests >= REQUESTS_MIN);
    if let Some(before) = comparable {
        if now.mean_ms > before.mean_ms * 1.5 {
            all.push(format!(
                "the mean of {:.0} ms is above 1.5 times {:.0} ms",
                now.mean_ms, before.mean_ms
            ));
        }
        if now.p95_ms > before.p95_ms * 2.0 {
            all.push(format!("the p95 of {:.0} ms is above twice {:.0} ms", now.p95_ms, before.p95_ms));
        }
        if now.error_share > before.error_share + 0.01 {
            let (now, before) = (now.error_share * 100.0, before.error_share * 100.0);
            all.push(format!("{now:.1} % of the answers are errors, after {before:.1} %"));
        }
    }
    for (what, share, limit) in [
        ("CPU", now.cpu_share, 0.80),
        ("memory", now.memory_share, 0.85),
        ("database pool", now.pool_share, 0.80),
    ] {
        if let Some(share) = share.filter(|share| *share > limit) {
            all.push(format!("the {what} is used by {:.0} %, above {:.0} %", share * 100.0, limit * 100.0));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics_json::samples;

    fn counts(fast: u32, slow: u32, errors: u32) -> Counts {
        let all = fast + slow;
        let text = format!(
            "innovation_http_requests_total{{route=\"/run\",status=\"202\"}} {}\n\
             innovation_http_requests_total{{route=\"/run\",status=\"503\"}} {errors}\n\
             innovation_http_requests_total{{route=\"/health/deep\",status=\"503\"}} 1000\n\
             innovation_http_request_duration_seconds_sum{{route=\"/run\"}} {}\n\
             innovation_http_request_duration_seconds_bucket{{le=\"0.1\",route=\"/run\"}} {fast}\n\
             innovation_http_request_duration_seconds_bucket{{le=\"1.0\",route=\"/run\"}} {all}\n\
             innovation_http_request_duration_seconds_bucket{{le=\"+Inf\",route=\"/run\"}} {all}\n",
            all - errors,
            f64::from(fast) * 0.05 + f64::from(slow) * 0.5,
        );
        Counts::of(&samples(&text))
    }

    #[test]
    fn figures_are_of_the_span_alone() {
        let figures = counts(190, 20, 2).since(&counts(100, 10, 1));
        assert_eq!(figures.requests, 100);
        assert!((figures.mean_ms - 95.0).abs() < 0.001, "{figures:?}");
        assert!((figures.p95_ms - 550.0).abs() < 0.001, "half of the slow bucket: {figures:?}");
        assert!((figures.error_share - 0.01).abs() < 1e-9);
    }

    #[test]
    fn only_worse_than_the_limits_deviates() {
        let before = counts(100, 0, 0).since(&Counts::default());
        assert!(deviations(&before, Some(&before)).is_empty());
        let slow = counts(0, 100, 5).since(&Counts::default());
        assert_eq!(deviations(&slow, Some(&before)).len(), 3, "mean, p95 and errors");
        let few = counts(0, 10, 5).since(&Counts::default());
        assert!(deviations(&few, Some(&before)).is_empty(), "too few to compare");
        let full = Figures { pool_share: Some(0.9), cpu_share: Some(0.7), ..Figures::default() };
        assert_eq!(deviations(&full, None).len(), 1);
    }

    #[test]
    fn hours_count_by_their_requests() {
        let hour = |requests, mean_ms| Figures { requests, mean_ms, ..Figures::default() };
        let mean = mean(&[hour(90, 10.0), hour(10, 110.0)]).unwrap();
        assert!((mean.mean_ms - 20.0).abs() < 1e-9 && mean.requests == 100);
        assert!(super::mean(&[]).is_none());
    }
}
