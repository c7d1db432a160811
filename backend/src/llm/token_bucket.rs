//! A token bucket for a model whose endpoint limits the rate of requests.
//!
//! Without a rate limit, it lets everything through and only observes the rate. A limit halves that rate.
//! Each success raises it a little, so that it finds the endpoint's real limit.

use std::time::Duration;

/// The time over which the rate is observed.
const WINDOW: Duration = Duration::from_secs(10);

/// The lowest rate, in requests a second. A lower limit is a quota, and the endpoint states when it ends.
const RATE_MIN: f64 = 0.5;

/// How much each success raises the rate, in requests a second.
const RAISE: f64 = 0.2;

/// Without another limit for this long, requests are no longer spaced.
const FORGET_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct TokenBucket {
    limit: Option<Limit>,
    window_start: Duration,
    in_window: u32,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    /// Requests a second.
    rate: f64,
    tokens: f64,
    counted_at: Duration,
    limited_at: Duration,
}

impl TokenBucket {
    /// Takes a token, or says how long it takes until there is one.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if self.limit.is_some_and(|limit| now.saturating_sub(limit.limited_at) > FORGET_AFTER) {
            self.limit = None;
        }
        if let Some(limit) = &mut self.limit {
            let elapsed = now.saturating_sub(limit.counted_at).as_secs_f64();
            // A bucket of one second's requests lets no long silence become a burst.
            limit.tokens = (limit.tokens + elapsed * limit.rate).min(limit.rate.max(1.0));
            limit.counted_at = now;
            if limit.tokens < 1.0 {
                return Err(Duration::from_secs_f64((1.0 - limit.tokens) / limit.rate));
            }
            limit.tokens -= 1.0;
        }
        if now.saturating_sub(self.window_start) >= WINDOW {
            (self.window_start, self.in_window) = (now, 0);
        }
        self.in_window = self.in_window.saturating_add(1);
        Ok(())
    }

    /// The endpoint limits the rate.
    pub(super) fn limit(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.window_start).as_secs_f64().max(1.0);
        let observed = f64::from(self.in_window) / elapsed;
        let rate = (self.limit.map_or(observed, |limit| limit.rate.min(observed)) / 2.0).max(RATE_MIN);
        // The probe after the pause needs a token at once.
        self.limit = Some(Limit { rate, tokens: 1.0, counted_at: now, limited_at: now });
    }

    /// A request was answered.
    pub(super) fn succeeded(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.rate += RAISE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn limited() -> TokenBucket {
        let mut bucket = TokenBucket::default();
        for _ in 0..40 {
            bucket.take(START).unwrap();
        }
        bucket.limit(START);
        bucket
    }

    /// The requests within a second.
    fn within_a_second(bucket: &mut TokenBucket, from: Duration) -> usize {
        (0..1_000).filter(|millis| bucket.take(from + Duration::from_millis(*millis)).is_ok()).count()
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        assert_eq!(within_a_second(&mut TokenBucket::default(), START), 1_000);
    }

    #[test]
    fn a_limit_halves_the_rate() {
        let mut bucket = limited();
        let first = within_a_second(&mut bucket, START);
        assert!((19..=21).contains(&first), "{first}");
        bucket.limit(START + Duration::from_secs(1));
        let second = within_a_second(&mut bucket, START + Duration::from_secs(1));
        assert!((9..=11).contains(&second), "{second}");
    }

    #[test]
    fn successes_raise_it_and_time_ends_it() {
        let mut bucket = limited();
        for _ in 0..50 {
            bucket.succeeded();
        }
        let raised = within_a_second(&mut bucket, START);
        assert!((29..=31).contains(&raised), "{raised}");
        assert_eq!(within_a_second(&mut bucket, START + Duration::from_secs(61)), 1_000);
    }

    #[test]
    fn silence_is_no_reason_for_a_burst() {
        let mut bucket = limited();
        let later = START + Duration::from_secs(50);
        let burst = (0..100).filter(|_| bucket.take(later).is_ok()).count();
        assert!(burst <= 20, "{burst}");
    }
}
