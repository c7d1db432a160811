//! The gate in front of the model. It pauses calls while the model is down, limits the rate, or refuses the
//! account, and lets them in again step by step.
//!
//! After a pause, one call probes the model. Each success lets one more call in at the same time, so that the
//! number in flight doubles with every round of calls. After a rate limit, a token bucket also spaces them.

use std::{sync::Arc, time::Duration};

use foundation::resilience::Backoff;
use parking_lot::Mutex;
use pipeline::{clock::Clock, llm::LlmErrorCode};

use super::token_bucket::TokenBucket;

/// The wait for a caller while the permitted number of calls is in flight. Nobody knows how long they take.
const FULL: Duration = Duration::from_millis(500);

/// When the gate closes and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateConfig {
    /// So many failed calls in a row close it. A rate limit and a refused account close it at once.
    pub failures_max: u32,
    /// The pauses before further probes of a model that is down or limits the rate.
    pub pause: Backoff,
    /// The pauses before further probes of an account. Somebody must act first, which takes minutes.
    pub account_pause: Backoff,
    /// The number of calls in flight at which the ramp ends: by then, the model has proved that it is well.
    pub ramp_max: usize,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            failures_max: 5,
            pause: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
            account_pause: Backoff::new(Duration::from_secs(5), Duration::from_secs(60)),
            ramp_max: 128,
        }
    }
}

/// How many runs may ask the model now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Open,
    /// So many at the same time.
    Limited(usize),
    Closed(Refusal),
}

/// Why the model is not asked now, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub code: LlmErrorCode,
    pub wait: Duration,
}

/// A pause of the model, for health and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub code: LlmErrorCode,
    /// How long ago it began.
    pub lasts: Duration,
    /// The wait until the next probe.
    pub retry_in: Duration,
}

/// Shared by all calls of one client, and by the worker, which claims no runs that would only wait.
#[derive(Debug)]
pub struct Gate {
    config: GateConfig,
    model: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Raised by each pause. Calls that began before it no longer count.
    period: u64,
    /// The calls of this period.
    in_flight: usize,
    failures_in_a_row: u32,
    outage: Option<Outage>,
    /// The most calls at the same time. None if they are not limited.
    ramp: Option<usize>,
    /// The last successful call.
    succeeded_at: Option<Duration>,
    bucket: TokenBucket,
}

#[derive(Debug, Clone, Copy)]
struct Outage {
    code: LlmErrorCode,
    since: Duration,
    probe_from: Duration,
    pauses: u32,
}

/// The permission to make one request. A permission that is dropped without a result counts as neither
/// success nor failure.
#[derive(Debug)]
pub(super) struct Pass<'g> {
    gate: &'g Gate,
    period: u64,
}

impl Gate {
    /// An open gate for the model of this name.
    #[must_use]
    pub fn new(config: GateConfig, model: String, clock: Arc<dyn Clock>) -> Self {
        Self { config, model, clock, state: Mutex::default() }
    }

    /// How many runs may ask the model now.
    #[must_use]
    pub fn admission(&self) -> Admission {
        let now = self.clock.monotonic();
        let state = self.state.lock();
        match (state.outage, state.ramp) {
            (Some(outage), _) if outage.probe_from > now => {
                Admission::Closed(Refusal { code: outage.code, wait: outage.probe_from - now })
            }
            (Some(_), _) => Admission::Limited(1),
            (None, Some(calls)) => Admission::Limited(calls),
            (None, None) => Admission::Open,
        }
    }

    /// The current pause, if there is one.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        let now = self.clock.monotonic();
        let outage = self.state.lock().outage?;
        Some(Pause {
            code: outage.code,
            lasts: now.saturating_sub(outage.since),
            retry_in: outage.probe_from.saturating_sub(now),
        })
    }

    /// `closed` while calls are made, `open` while they are paused, or `probing`, as a breaker says it.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        let state = self.state.lock();
        match state.outage {
            None => "closed",
            Some(_) if state.in_flight > 0 => "probing",
            Some(_) => "open",
        }
    }

    /// Whether a call has succeeded since this reading of the monotonic clock.
    pub(super) fn has_succeeded_since(&self, at: Duration) -> bool {
        self.state.lock().succeeded_at.is_some_and(|succeeded| succeeded >= at)
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Asks to make a request.
    pub(super) fn enter(&self) -> Result<Pass<'_>, Refusal> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let allowed = match state.outage {
            Some(outage) if outage.probe_from > now => {
                return Err(Refusal { code: outage.code, wait: outage.probe_from - now });
            }
            Some(_) => Some(1),
            None => state.ramp,
        };
        if allowed.is_some_and(|allowed| state.in_flight >= allowed) {
            let code = state.outage.map_or(LlmErrorCode::LlmError, |outage| outage.code);
            return Err(Refusal { code, wait: FULL });
        }
        state.bucket.take(now).map_err(|wait| Refusal { code: LlmErrorCode::LlmRateLimit, wait })?;
        state.in_flight += 1;
        Ok(Pass { gate: self, period: state.period })
    }

    fn close(&self, state: &mut State, code: LlmErrorCode, asked: Option<Duration>) {
        let now = self.clock.monotonic();
        let backoff = if is_account(code) { self.config.account_pause } else { self.config.pause };
        let pauses = state.outage.map_or(1, |outage| outage.pauses.saturating_add(1));
        let wait = asked.unwrap_or_default().max(backoff.wait(pauses));
        let since = state.outage.map_or(now, |outage| outage.since);
        let is_new = state.outage.is_none_or(|outage| outage.code != code);
        state.outage = Some(Outage { code, since, probe_from: now + wait, pauses });
        state.period += 1;
        (state.in_flight, state.failures_in_a_row, state.ramp) = (0, 0, Some(1));
        // A refused probe says nothing new about the rate.
        if code == LlmErrorCode::LlmRateLimit && pauses == 1 {
            state.bucket.limit(now);
        }
        if is_new {
            let (model, seconds) = (&self.model, wait.as_secs_f64());
            if is_account(code) {
                tracing::error!(event = "model_paused", code = ?code, model, seconds, "the endpoint refuses the account of the model; runs wait until somebody acts");
            } else {
                tracing::warn!(event = "model_paused", code = ?code, model, seconds, "the model is not available; runs wait for it");
            }
        }
    }
}

/// Whether the endpoint refuses the account, so that somebody must act.
const fn is_account(code: LlmErrorCode) -> bool {
    matches!(code, LlmErrorCode::LlmCredits | LlmErrorCode::LlmAuth)
}

impl Pass<'_> {
    /// The model answered.
    pub(super) fn succeeded(self) {
        let gate = self.gate;
        let now = gate.clock.monotonic();
        let mut state = gate.state.lock();
        state.succeeded_at = Some(now);
        if state.period != self.period {
            return;
        }
        state.failures_in_a_row = 0;
        state.bucket.succeeded();
        if let Some(outage) = state.outage.take() {
            let seconds = now.saturating_sub(outage.since).as_secs_f64();
            tracing::info!(event = "model_resumed", model = gate.model, seconds, "the model answers again");
        }
        state.ramp = state.ramp.map(|calls| calls + 1).filter(|calls| *calls <= gate.config.ramp_max);
    }

    /// The endpoint answered, but not with what the run can use. That says nothing about its health.
    pub(super) fn refused(self) {
        drop(self);
    }

    /// The model did not answer. `asked` is the wait that the endpoint asks for.
    pub(super) fn failed(self, code: LlmErrorCode, asked: Option<Duration>) {
        let gate = self.gate;
        let mut state = gate.state.lock();
        if state.period != self.period {
            return;
        }
        state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
        let closes_at_once = is_account(code) || code == LlmErrorCode::LlmRateLimit || state.outage.is_some();
        if closes_at_once || state.failures_in_a_row >= gate.config.failures_max {
            gate.close(&mut state, code, asked);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        if state.period == self.period {
            state.in_flight = state.in_flight.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use foundation::clock::SystemClock;

    use super::*;

    fn gate() -> Gate {
        Gate::new(GateConfig::default(), "a/b".to_owned(), Arc::new(SystemClock::default()))
    }

    async fn pass_time(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Enters as often as the gate permits.
    fn all_in(gate: &Gate) -> Vec<Pass<'_>> {
        std::iter::from_fn(|| gate.enter().ok()).take(1_000).collect()
    }

    fn fail(gate: &Gate, code: LlmErrorCode, times: u32) {
        (0..times).for_each(|_| gate.enter().unwrap().failed(code, None));
    }

    #[tokio::test(start_paused = true)]
    async fn it_closes_after_five_failures_in_a_row() {
        let gate = gate();
        fail(&gate, LlmErrorCode::LlmError, 4);
        gate.enter().unwrap().succeeded();
        fail(&gate, LlmErrorCode::LlmError, 4);
        assert_eq!(gate.admission(), Admission::Open);
        fail(&gate, LlmErrorCode::LlmTimeout, 1);
        assert_eq!(gate.enter().unwrap_err().code, LlmErrorCode::LlmTimeout);
        assert_eq!(gate.state_name(), "open");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_and_a_refused_account_close_it_at_once() {
        for code in [LlmErrorCode::LlmRateLimit, LlmErrorCode::LlmCredits, LlmErrorCode::LlmAuth] {
            let gate = gate();
            fail(&gate, code, 1);
            assert_eq!(gate.enter().unwrap_err().code, code);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_obey_the_endpoint() {
        let gate = gate();
        fail(&gate, LlmErrorCode::LlmError, 5);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(gate.enter().unwrap_err().wait, Duration::from_secs(seconds));
            pass_time(seconds).await;
            fail(&gate, LlmErrorCode::LlmError, 1);
        }
        pass_time(30).await;
        gate.enter().unwrap().failed(LlmErrorCode::LlmRateLimit, Some(Duration::from_secs(500)));
        assert_eq!(gate.enter().unwrap_err().wait, Duration::from_secs(500));
    }

    #[tokio::test(start_paused = true)]
    async fn the_calls_in_flight_double_with_each_round() {
        let gate = gate();
        fail(&gate, LlmErrorCode::LlmError, 5);
        pass_time(1).await;
        for calls in [1, 2, 4, 8, 16, 32, 64, 128] {
            let round = all_in(&gate);
            assert_eq!(round.len(), calls);
            round.into_iter().for_each(Pass::succeeded);
        }
        assert_eq!(gate.admission(), Admission::Open);
        assert_eq!(all_in(&gate).len(), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn late_results_of_an_earlier_period_change_nothing() {
        let gate = gate();
        let [late, later] = [gate.enter().unwrap(), gate.enter().unwrap()];
        fail(&gate, LlmErrorCode::LlmCredits, 1);
        late.failed(LlmErrorCode::LlmError, None);
        later.succeeded();
        assert_eq!(gate.pause().unwrap().code, LlmErrorCode::LlmCredits);
        pass_time(5).await;
        let probe = gate.enter().unwrap();
        assert!(gate.enter().is_err(), "one at a time");
        drop(probe);
        assert!(gate.enter().is_ok(), "a cancelled probe makes room for another");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_limit_requests_are_spaced() {
        let gate = gate();
        let calls: Vec<Pass<'_>> = (0..4).map(|_| gate.enter().unwrap()).collect();
        calls.into_iter().for_each(|pass| pass.failed(LlmErrorCode::LlmRateLimit, None));
        pass_time(1).await;
        gate.enter().unwrap().succeeded();
        let mut entered = 0;
        for _ in 0..100 {
            entered += usize::from(gate.enter().map(Pass::succeeded).is_ok());
        }
        assert!(entered < 100, "{entered}");
        assert_eq!(gate.enter().unwrap_err().code, LlmErrorCode::LlmRateLimit);
    }
}
