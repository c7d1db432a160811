//! A circuit breaker: it stops calls to an endpoint that keeps failing, and tests the endpoint again with one
//! probe.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// When the breaker opens and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerConfig {
    /// The period over which requests count.
    pub window: Duration,
    /// Fewer requests than this within the window never open the breaker.
    pub requests_min: u32,
    /// How long the breaker stays open before it admits a probe.
    pub open_for: Duration,
}

impl Default for BreakerConfig {
    /// More than half of at least 10 requests within a minute; open for 30 s.
    fn default() -> Self {
        Self { window: Duration::from_secs(60), requests_min: 10, open_for: Duration::from_secs(30) }
    }
}

/// One breaker for all calls of one client.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed(Window),
    Open {
        until: Instant,
    },
    /// One request tests whether the endpoint is back.
    Probing,
}

/// Recent requests, counted in slices of the window, so that memory stays small at any rate.
#[derive(Debug, Default)]
struct Window {
    slices: VecDeque<Slice>,
}

#[derive(Debug)]
struct Slice {
    start: Instant,
    requests: u32,
    failures: u32,
}

/// The number of slices in a window.
const SLICES: u32 = 60;

/// The permission to make one request. The holder reports the result. If it is dropped without a report, for
/// example on a cancellation, the request does not count.
#[derive(Debug)]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
    settled: bool,
}

impl Breaker {
    #[must_use]
    pub fn new(config: BreakerConfig) -> Self {
        Self { config, state: Mutex::new(State::Closed(Window::default())) }
    }

    /// Asks for permission to make a request.
    ///
    /// # Errors
    ///
    /// The time until the next attempt makes sense, while the breaker is open or a probe runs.
    pub fn acquire(&self) -> Result<Permit<'_>, Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        let is_probe = match *state {
            State::Closed(_) => false,
            State::Open { until } if until <= now => {
                *state = State::Probing;
                true
            }
            State::Open { until } => return Err(until - now),
            // The probe's duration is unknown, so try again in a second.
            State::Probing => return Err(Duration::from_secs(1)),
        };
        Ok(Permit { breaker: self, is_probe, settled: false })
    }

    /// `closed`, `open` or `probing`, for health. It stays `open` until the next request after its time.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match *self.lock() {
            State::Closed(_) => "closed",
            State::Open { .. } => "open",
            State::Probing => "probing",
        }
    }

    fn settle(&self, is_probe: bool, failed: bool) {
        let now = Instant::now();
        let mut state = self.lock();
        match (&mut *state, is_probe) {
            (_, true) if failed => *state = State::Open { until: now + self.config.open_for },
            (_, true) => *state = State::Closed(Window::default()),
            (State::Closed(window), false) => {
                let (requests, failures) = window.count(now, self.config.window, failed);
                if failed && requests >= self.config.requests_min && failures * 2 > requests {
                    *state = State::Open { until: now + self.config.open_for };
                }
            }
            // The request began before the breaker opened, so it says nothing new.
            (State::Open { .. } | State::Probing, false) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// Counts one request. Returns the requests and failures within the window.
    fn count(&mut self, now: Instant, length: Duration, failed: bool) -> (u32, u32) {
        while self.slices.front().is_some_and(|slice| now.duration_since(slice.start) >= length) {
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|slice| now.duration_since(slice.start) >= length / SLICES) {
            self.slices.push_back(Slice { start: now, requests: 0, failures: 0 });
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.requests += 1;
            slice.failures += u32::from(failed);
        }
        self.slices.iter().fold((0, 0), |(requests, failures), slice| {
            (requests + slice.requests, failures + slice.failures)
        })
    }
}

impl Permit<'_> {
    /// Reports that the endpoint worked, whatever it answered.
    pub fn succeeded(mut self) {
        self.settled = true;
        self.breaker.settle(self.is_probe, false);
    }

    /// Reports that the endpoint failed.
    pub fn failed(mut self) {
        self.settled = true;
        self.breaker.settle(self.is_probe, true);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_probe && !self.settled {
            // The next request becomes the probe.
            *self.breaker.lock() = State::Open { until: Instant::now() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, times: u32) {
        (0..times).for_each(|_| breaker.acquire().unwrap().failed());
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_half_of_ten_failures_open_it() {
        let breaker = Breaker::new(BreakerConfig::default());
        (0..5).for_each(|_| breaker.acquire().unwrap().succeeded());
        fail(&breaker, 5);
        assert!(breaker.acquire().is_ok(), "half is not more than half");
        fail(&breaker, 1);
        assert_eq!(breaker.acquire().unwrap_err(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn nine_failures_or_old_ones_leave_it_closed() {
        let breaker = Breaker::new(BreakerConfig::default());
        fail(&breaker, 9);
        assert!(breaker.acquire().is_ok());
        tokio::time::advance(Duration::from_secs(61)).await;
        fail(&breaker, 9);
        assert!(breaker.acquire().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_time_it_lets_one_probe_through() {
        let breaker = Breaker::new(BreakerConfig::default());
        fail(&breaker, 10);
        tokio::time::advance(Duration::from_secs(30)).await;
        let probe = breaker.acquire().unwrap();
        assert!(breaker.acquire().is_err(), "one at a time");
        probe.failed();
        assert_eq!(breaker.acquire().unwrap_err(), Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(30)).await;
        breaker.acquire().unwrap().succeeded();
        fail(&breaker, 9);
        assert!(breaker.acquire().is_ok(), "closed, and counting anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_probe_makes_room_for_another() {
        let breaker = Breaker::new(BreakerConfig::default());
        fail(&breaker, 10);
        tokio::time::advance(Duration::from_secs(30)).await;
        drop(breaker.acquire().unwrap());
        breaker.acquire().unwrap().succeeded();
        assert!(breaker.acquire().is_ok());
    }
}
