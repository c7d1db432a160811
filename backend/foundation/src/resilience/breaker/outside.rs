//! A breaker that a probe from outside closes: callers never find out whether the dependency is back.

use std::time::Duration;

use super::core::{Breaker, Policy};

impl<P: Policy> Breaker<P> {
    /// Lets a call through, unless the breaker is open.
    ///
    /// # Errors
    ///
    /// The reason for which the breaker is open.
    pub fn admit(&self) -> Result<(), P::Reason> {
        match &self.inner.lock().outage {
            None => Ok(()),
            Some(outage) => Err(outage.reason.clone()),
        }
    }

    /// Takes note of how a call ended: none for a success.
    pub fn record(&self, failure: Option<P::Reason>) {
        self.count(failure);
    }

    /// Takes note of a failure alone. For calls whose success proves nothing.
    pub fn record_failure(&self, failure: P::Reason) {
        self.count(Some(failure));
    }

    /// Takes note of what a probe of an open breaker found: none for a success. Enough good probes in a row close
    /// the breaker. A failure renews the reason, and the count begins anew.
    pub fn probed(&self, failure: Option<P::Reason>) {
        let recovery = self.policy.recovery();
        let mut inner = self.inner.lock();
        let needed = recovery.needed(inner.relapses);
        let Some(outage) = &mut inner.outage else { return };
        match failure {
            None => {
                outage.good_probes = outage.good_probes.saturating_add(1);
                if outage.good_probes >= needed {
                    drop(inner);
                    self.close();
                }
            }
            Some(reason) => {
                outage.good_probes = 0;
                outage.reason = reason;
            }
        }
    }

    /// How long to wait before the next probe: shortly after a good one, longer after each relapse.
    #[must_use]
    pub fn probe_wait(&self) -> Duration {
        let recovery = self.policy.recovery();
        let inner = self.inner.lock();
        match &inner.outage {
            Some(outage) if outage.good_probes > 0 => recovery.confirm_wait,
            _ => recovery.wait(inner.relapses),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{BreakerState, Limits, Recovery};
    use super::*;
    use crate::clock::SystemClock;

    /// Opens at once for `true`.
    #[derive(Debug)]
    struct Database(Limits, Recovery);

    impl Policy for Database {
        type Reason = bool;

        fn limits(&self) -> &Limits {
            &self.0
        }

        fn recovery(&self) -> &Recovery {
            &self.1
        }

        fn opens_at_once(&self, is_schema: &bool) -> bool {
            *is_schema
        }
    }

    fn breaker() -> Breaker<Database> {
        let limits = Limits {
            consecutive_failures_max: 3,
            failure_share_max: 0.5,
            calls_min: 10,
            window: Duration::from_secs(30),
        };
        Breaker::new(Database(limits, Recovery::AT_ONCE), Arc::new(SystemClock::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it() {
        let breaker = breaker();
        for _ in 0..2 {
            breaker.record(Some(false));
        }
        breaker.record(None);
        for _ in 0..2 {
            breaker.record(Some(false));
            assert!(breaker.admit().is_ok());
        }
        breaker.record(Some(false));
        assert_eq!(breaker.admit(), Err(false));
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_probe_closes_it() {
        let breaker = breaker();
        breaker.record(Some(true));
        breaker.record(None);
        breaker.probed(Some(false));
        assert!(matches!(breaker.state(), BreakerState::Open { reason: false, .. }));
        breaker.probed(None);
        assert!(breaker.admit().is_ok());
        breaker.record(Some(false));
        assert!(breaker.is_closed(), "it counts anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_relapse_needs_more_probes_and_time() {
        let mut policy = Database(breaker().policy.0.clone(), Recovery::AT_ONCE);
        policy.1 = Recovery {
            good_probes: 2,
            good_probes_max: 4,
            wait_max: Duration::from_secs(10),
            confirm_wait: Duration::from_millis(250),
            stable_after: Duration::from_secs(60),
            ..Recovery::AT_ONCE
        };
        let breaker = Breaker::new(policy, Arc::new(SystemClock::default()));
        for (wait, needed) in [(1, 2), (4, 4), (10, 4)] {
            breaker.record(Some(true));
            assert_eq!(breaker.probe_wait(), Duration::from_secs(wait));
            breaker.probed(None);
            breaker.probed(Some(false));
            for _ in 0..needed {
                assert!(!breaker.is_closed(), "a bad probe starts the count anew");
                breaker.probed(None);
            }
            assert!(breaker.is_closed());
        }
        tokio::time::advance(Duration::from_secs(61)).await;
        breaker.record(Some(true));
        assert_eq!(breaker.probe_wait(), Duration::from_secs(1), "later it is no relapse");
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_counts_within_the_window() {
        let (quick, slow) = (breaker(), breaker());
        for _ in 0..4 {
            for failure in [Some(false), Some(false), None] {
                quick.record(failure);
            }
            tokio::time::advance(Duration::from_secs(4)).await;
        }
        assert!(!quick.is_closed());
        for _ in 0..30 {
            slow.record(Some(false));
            slow.record(None);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        assert!(slow.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_opening_wakes_all_waiters() {
        let breaker = Arc::new(breaker());
        let waiting = [(); 3].map(|()| {
            let breaker = breaker.clone();
            tokio::spawn(async move { breaker.wait_until_open().await })
        });
        breaker.record(Some(true));
        for waiting in waiting {
            waiting.await.unwrap();
        }
    }
}
