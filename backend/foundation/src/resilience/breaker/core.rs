//! Counts calls and keeps the state, however the breaker is probed.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::Clock;
use tokio::sync::watch;

use super::window::Window;

/// The failures that open a breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// So many failures in a row; none: only the share counts.
    pub consecutive_failures_max: Option<u32>,
    /// More than this share of failed calls …
    pub failure_share_max: f64,
    /// … among at least so many …
    pub calls_min: u32,
    /// … within this time.
    pub window: Duration,
}

/// Decides when a breaker opens, and hears of it.
pub trait Policy: fmt::Debug + Send + Sync {
    /// Why a breaker is open. A refused caller gets it.
    type Reason: Clone + fmt::Debug + PartialEq + Send;

    fn limits(&self) -> &Limits;

    /// Whether this one failure opens the breaker.
    fn opens_at_once(&self, _reason: &Self::Reason) -> bool {
        false
    }

    /// The breaker has opened.
    fn opened(&self, _reason: &Self::Reason) {}

    /// The breaker has closed.
    fn closed(&self, _open_for: Duration) {}
}

/// The state of a breaker, for health and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerState<R> {
    Closed,
    /// Open since this reading of the monotonic clock.
    Open {
        since: Duration,
        reason: R,
    },
    /// One caller is finding out whether the dependency is back.
    Probing,
}

/// Counts how calls end and says whether one may be made.
#[derive(Debug)]
pub struct Breaker<P: Policy> {
    pub(super) policy: P,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) inner: Mutex<Inner<P::Reason>>,
    is_open: watch::Sender<bool>,
}

#[derive(Debug)]
pub(super) struct Inner<R> {
    pub(super) outage: Option<Outage<R>>,
    consecutive_failures: u32,
    window: Window,
}

/// The time that a breaker is not closed.
#[derive(Debug, Clone)]
pub(super) struct Outage<R> {
    since: Duration,
    pub(super) reason: R,
    /// The reading of the clock from which a caller may probe.
    pub(super) probe_from: Duration,
    pub(super) is_probing: bool,
}

impl<P: Policy> Breaker<P> {
    #[must_use]
    pub fn new(policy: P, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner { outage: None, consecutive_failures: 0, window: Window::default() };
        Self { policy, clock, inner: Mutex::new(inner), is_open: watch::Sender::new(false) }
    }

    /// The state now. Open until somebody probes.
    #[must_use]
    pub fn state(&self) -> BreakerState<P::Reason> {
        match &self.inner.lock().outage {
            None => BreakerState::Closed,
            Some(outage) if outage.is_probing => BreakerState::Probing,
            Some(outage) => BreakerState::Open { since: outage.since, reason: outage.reason.clone() },
        }
    }

    /// Whether all calls are let through.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.lock().outage.is_none()
    }

    /// Returns when the breaker is open.
    pub async fn wait_until_open(&self) {
        // The sender is our own: it lasts.
        let _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
    }

    /// Counts a call that was made while the breaker was closed. Any later one says nothing new.
    pub(super) fn count(&self, failure: Option<P::Reason>, open_for: Duration) {
        let now = self.clock.monotonic();
        let limits = self.policy.limits();
        let mut inner = self.inner.lock();
        if inner.outage.is_some() {
            return;
        }
        let (calls, failures) = inner.window.count(now, limits.window, failure.is_some());
        let Some(reason) = failure else {
            inner.consecutive_failures = 0;
            return;
        };
        inner.consecutive_failures = inner.consecutive_failures.saturating_add(1);
        let is_too_much = self.policy.opens_at_once(&reason)
            || limits.consecutive_failures_max.is_some_and(|max| inner.consecutive_failures >= max)
            || (calls >= limits.calls_min
                && f64::from(failures) > f64::from(calls) * limits.failure_share_max);
        if is_too_much {
            let probe_from = now + open_for;
            inner.outage = Some(Outage { since: now, reason: reason.clone(), probe_from, is_probing: false });
            drop(inner);
            self.policy.opened(&reason);
            self.publish();
        }
    }

    /// Closes the breaker, which then counts anew.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        let Some(outage) = inner.outage.take() else { return };
        inner.consecutive_failures = 0;
        inner.window = Window::default();
        drop(inner);
        self.publish();
        self.policy.closed(self.clock.monotonic().saturating_sub(outage.since));
    }

    /// Tells all waiters the present state. It is read here: of two calls at once, neither publishes an old state.
    fn publish(&self) {
        self.is_open.send_modify(|is_open| *is_open = !self.is_closed());
    }
}
