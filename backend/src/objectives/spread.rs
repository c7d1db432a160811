//! How durations are spread: counts by fixed upper bounds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Upper bounds in seconds, from a health check to a run that waited for its model. One set serves requests, first stages and runs.
pub(super) const BOUNDS_SECONDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

/// The bounds, and one more for everything above.
pub(super) const BUCKETS: usize = BOUNDS_SECONDS.len() + 1;

/// How many durations lie below each bound and above the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread(pub(super) [u64; BUCKETS]);

/// The bucket of a duration.
pub(super) fn bucket_of(took: Duration) -> usize {
    let seconds = took.as_secs_f64();
    BOUNDS_SECONDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS_SECONDS.len())
}

impl Spread {
    /// How many durations there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Counts one duration.
    pub fn add(&mut self, took: Duration) {
        if let Some(bucket) = self.0.get_mut(bucket_of(took)) {
            *bucket += 1;
        }
    }

    /// The durations since an earlier time of the same counter.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = *self;
        since.0.iter_mut().zip(before.0).for_each(|(now, then)| *now = now.saturating_sub(then));
        since
    }

    /// The durations of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.0.iter_mut().zip(other.0).for_each(|(one, more)| *one = one.saturating_add(more));
        sum
    }

    /// The quantile in seconds, linear within a bucket as in Prometheus. Above the last bound, that bound. None without a duration.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.count();
        if all == 0 {
            return None;
        }
        let wanted = share * float(all);
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, count) in BOUNDS_SECONDS.iter().zip(self.0) {
            let count = float(count);
            if count > 0.0 && below + count >= wanted {
                return Some(low + (bound - low) * (wanted - below) / count);
            }
            (low, below) = (*bound, below + count);
        }
        Some(low)
    }

    /// How many durations are longer than this, linear within a bucket.
    #[must_use]
    pub fn above(&self, limit: Duration) -> u64 {
        let limit = limit.as_secs_f64();
        let mut low = 0.0;
        let mut above = 0.0;
        for (bound, count) in BOUNDS_SECONDS.iter().chain([&f64::INFINITY]).zip(self.0) {
            above += match (low >= limit, *bound <= limit) {
                (true, _) => float(count),
                (_, true) => 0.0,
                _ if bound.is_infinite() => float(count),
                _ => float(count) * (bound - limit) / (bound - low),
            };
            low = *bound;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
        let whole = above.round() as u64;
        whole
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of requests or runs")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_within_a_bucket() {
        let mut spread = Spread::default();
        assert_eq!(spread.quantile(0.95), None);
        for millis in [20, 20, 20, 20, 300, 300, 300, 300, 300, 300] {
            spread.add(Duration::from_millis(millis));
        }
        assert!((spread.quantile(0.5).unwrap() - (0.25 + 0.25 / 6.0)).abs() < 1e-9);
        spread.add(Duration::from_secs(5_000));
        assert_eq!(spread.quantile(1.0), Some(900.0), "above the last bound");
    }

    #[test]
    fn late_ones_are_counted_above_a_limit() {
        let mut spread = Spread::default();
        for seconds in [1, 45, 50, 61, 1_000] {
            spread.add(Duration::from_secs(seconds));
        }
        assert_eq!(spread.above(Duration::from_secs(60)), 2);
        assert_eq!(spread.above(Duration::from_secs(45)), 3, "half of the bucket of 30 to 60 s");
        assert_eq!(spread.since(&spread).count(), 0);
        assert_eq!(spread.plus(&spread).count(), 10);
    }
}
