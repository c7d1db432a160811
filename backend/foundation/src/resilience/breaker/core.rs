//! Counts calls and keeps the state.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use pipeline::clock::Clock;
use tokio::sync::watch;

use super::window::Window;

/// The failures that open a breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// So many failures in a row.
    pub consecutive_failures_max: u32,
    /// More than this share of failed calls …
    pub failure_share_max: f64,
    /// … among at least so many …
    pub calls_min: u32,
    /// … within this time.
    pub window: Duration,
}

/// How an open breaker closes again.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// So many good probes in a row close it. A relapse doubles them.
    pub good_probes: u32,
    /// The largest number of good probes, after many relapses.
    pub good_probes_max: u32,
    /// The wait before the first probe. A relapse multiplies it by four.
    pub wait: Duration,
    /// The longest wait, after many relapses.
    pub wait_max: Duration,
    /// The wait after a good probe.
    pub confirm_wait: Duration,
    /// An outage that begins within this time of the last one is a relapse.
    pub stable_after: Duration,
}

impl Recovery {
    /// One good probe closes the breaker, and nothing is remembered.
    pub const AT_ONCE: Self = Self {
        good_probes: 1,
        good_probes_max: 1,
        wait: Duration::from_secs(1),
        wait_max: Duration::from_secs(1),
        confirm_wait: Duration::ZERO,
        stable_after: Duration::ZERO,
    };

    /// How many good probes an outage after so many relapses needs.
    pub(super) fn needed(&self, relapses: u32) -> u32 {
        let doubled = self.good_probes.saturating_mul(2_u32.saturating_pow(relapses.min(8)));
        doubled.min(self.good_probes_max).max(1)
    }

    /// The wait before a probe that does not follow a good one.
    pub(super) fn wait(&self, relapses: u32) -> Duration {
        self.wait.saturating_mul(4_u32.saturating_pow(relapses.min(8))).min(self.wait_max)
    }
}

/// Decides when a breaker opens, and hears of it.
pub trait Policy: fmt::Debug + Send + Sync {
    /// Why a breaker is open. A refused caller gets it.
    type Reason: Clone + fmt::Debug + PartialEq + Send;

    fn limits(&self) -> &Limits;

    /// How an open breaker closes again.
    fn recovery(&self) -> &Recovery {
        &Recovery::AT_ONCE
    }

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
    /// Outages in a row that began soon after the last one.
    pub(super) relapses: u32,
    closed_at: Option<Duration>,
    /// When a call last failed.
    failed_at: Option<Duration>,
}

/// The time that a breaker is not closed.
#[derive(Debug, Clone)]
pub(super) struct Outage<R> {
    since: Duration,
    pub(super) reason: R,
    /// Good probes in a row.
    pub(super) good_probes: u32,
}

impl<P: Policy> Breaker<P> {
    #[must_use]
    pub fn new(policy: P, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            outage: None,
            consecutive_failures: 0,
            window: Window::default(),
            relapses: 0,
            closed_at: None,
            failed_at: None,
        };
        Self { policy, clock, inner: Mutex::new(inner), is_open: watch::Sender::new(false) }
    }

    /// The state now. Open until somebody probes.
    #[must_use]
    pub fn state(&self) -> BreakerState<P::Reason> {
        match &self.inner.lock().outage {
            None => BreakerState::Closed,
            Some(outage) => BreakerState::Open { since: outage.since, reason: outage.reason.clone() },
        }
    }

    /// Whether all calls are let through.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.lock().outage.is_none()
    }

    /// When a call last failed, by the monotonic clock.
    #[must_use]
    pub fn last_failure(&self) -> Option<Duration> {
        self.inner.lock().failed_at
    }

    /// Returns when the breaker is open.
    pub async fn wait_until_open(&self) {
        // The sender is our own: it lasts.
        let _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
    }

    /// Counts a call that was made while the breaker was closed. Any later one says nothing new.
    pub(super) fn count(&self, failure: Option<P::Reason>) {
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
        inner.failed_at = Some(now);
        inner.consecutive_failures = inner.consecutive_failures.saturating_add(1);
        let is_too_much = self.policy.opens_at_once(&reason)
            || inner.consecutive_failures >= limits.consecutive_failures_max
            || (calls >= limits.calls_min
                && f64::from(failures) > f64::from(calls) * limits.failure_share_max);
        if is_too_much {
            let stable_after = self.policy.recovery().stable_after;
            let is_relapse = inner.closed_at.is_some_and(|at| now.saturating_sub(at) < stable_after);
            inner.relapses = if is_relapse { inner.relapses.saturating_add(1) } else { 0 };
            inner.outage = Some(Outage { since: now, reason: reason.clone(), good_probes: 0 });
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
        inner.closed_at = Some(self.clock.monotonic());
        drop(inner);
        self.publish();
        self.policy.closed(self.clock.monotonic().saturating_sub(outage.since));
    }

    /// Tells all waiters the present state. It is read here: of two calls at once, neither publishes an old state.
    fn publish(&self) {
        self.is_open.send_modify(|is_open| *is_open = !self.is_closed());
    }
}
