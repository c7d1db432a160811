//! A breaker that traffic closes: after a while one caller is let through, and its call is the probe.

use std::time::Duration;

use super::core::{Breaker, BreakerState, Policy};

/// The wait for a caller while another one probes. Nobody knows how long a probe takes; a second is soon enough.
const PROBE_UNDER_WAY: Duration = Duration::from_secs(1);

/// A policy whose breaker is probed by one of its callers.
pub trait ProbedByTraffic: Policy<Reason = ()> {
    /// How long the breaker stays open before a caller may probe.
    fn open_for(&self) -> Duration;
}

/// The permission to make one call. The caller says how the call went. A permit that is dropped without that, as when a run
/// is cancelled, counts as neither success nor failure.
#[derive(Debug)]
pub struct Permit<'b, P: ProbedByTraffic> {
    breaker: &'b Breaker<P>,
    is_probe: bool,
    is_settled: bool,
}

impl<P: ProbedByTraffic> Breaker<P> {
    /// Asks to make a call.
    ///
    /// # Errors
    ///
    /// The time until it is worth asking again.
    pub fn acquire(&self) -> Result<Permit<'_, P>, Duration> {
        let now = self.clock.monotonic();
        let mut inner = self.inner.lock();
        let is_probe = match &mut inner.outage {
            None => false,
            Some(outage) if outage.is_probing => return Err(PROBE_UNDER_WAY),
            Some(outage) if outage.probe_from > now => return Err(outage.probe_from - now),
            Some(outage) => {
                outage.is_probing = true;
                true
            }
        };
        Ok(Permit { breaker: self, is_probe, is_settled: false })
    }

    /// `closed`, `open` or `probing`, for health.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match self.state() {
            BreakerState::Closed => "closed",
            BreakerState::Open { .. } => "open",
            BreakerState::Probing => "probing",
        }
    }

    /// Ends a probe that did not succeed; another caller may probe after this wait.
    fn reopen(&self, wait: Duration) {
        let probe_from = self.clock.monotonic() + wait;
        if let Some(outage) = &mut self.inner.lock().outage {
            outage.is_probing = false;
            outage.probe_from = probe_from;
        }
    }
}

impl<P: ProbedByTraffic> Permit<'_, P> {
    /// The dependency worked, whatever it answered.
    pub fn succeeded(mut self) {
        self.is_settled = true;
        if self.is_probe { self.breaker.close() } else { self.breaker.count(None, Duration::ZERO) }
    }

    /// The dependency did not work.
    pub fn failed(mut self) {
        self.is_settled = true;
        let open_for = self.breaker.policy.open_for();
        if self.is_probe { self.breaker.reopen(open_for) } else { self.breaker.count(Some(()), open_for) }
    }
}

impl<P: ProbedByTraffic> Drop for Permit<'_, P> {
    fn drop(&mut self) {
        if self.is_probe && !self.is_settled {
            // The next call becomes the probe.
            self.breaker.reopen(Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::Limits, *};
    use crate::clock::SystemClock;

    #[derive(Debug)]
    struct Endpoint(Limits);

    impl Policy for Endpoint {
        type Reason = ();

        fn limits(&self) -> &Limits {
            &self.0
        }
    }

    impl ProbedByTraffic for Endpoint {
        fn open_for(&self) -> Duration {
            Duration::from_secs(30)
        }
    }

    fn breaker() -> Breaker<Endpoint> {
        let limits = Limits {
            consecutive_failures_max: None,
            failure_share_max: 0.5,
            calls_min: 10,
            window: Duration::from_secs(60),
        };
        Breaker::new(Endpoint(limits), Arc::new(SystemClock::default()))
    }

    fn fail(breaker: &Breaker<Endpoint>, times: u32) {
        (0..times).for_each(|_| breaker.acquire().unwrap().failed());
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_when_more_than_half_fail() {
        let breaker = breaker();
        (0..5).for_each(|_| breaker.acquire().unwrap().succeeded());
        fail(&breaker, 5);
        assert!(breaker.acquire().is_ok(), "half is not more than half");
        fail(&breaker, 1);
        assert_eq!(breaker.acquire().unwrap_err(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn few_or_old_failures_do_not_open_it() {
        let breaker = breaker();
        fail(&breaker, 9);
        assert!(breaker.acquire().is_ok());
        tokio::time::advance(Duration::from_secs(61)).await;
        fail(&breaker, 9);
        assert!(breaker.acquire().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_time_one_caller_probes() {
        let breaker = breaker();
        fail(&breaker, 10);
        tokio::time::advance(Duration::from_secs(30)).await;
        let probe = breaker.acquire().unwrap();
        assert!(breaker.acquire().is_err(), "one at a time");
        assert_eq!(breaker.state_name(), "probing");
        probe.failed();
        assert_eq!(breaker.acquire().unwrap_err(), Duration::from_secs(30));
        tokio::time::advance(Duration::from_secs(30)).await;
        breaker.acquire().unwrap().succeeded();
        fail(&breaker, 9);
        assert!(breaker.acquire().is_ok(), "closed, and counting anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_probe_makes_room_for_another() {
        let breaker = breaker();
        fail(&breaker, 10);
        tokio::time::advance(Duration::from_secs(30)).await;
        drop(breaker.acquire().unwrap());
        breaker.acquire().unwrap().succeeded();
        assert!(breaker.acquire().is_ok());
    }
}
