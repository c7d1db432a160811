//! One call: it makes requests within its deadline, its attempts and the run's budget.

use std::{sync::Arc, time::Duration};

use foundation::{
    clock::timer_now,
    resilience::{Backoff, Jitter, backoff::half_random},
};
use pipeline::llm::{LlmError, StructuredOutput, Usage};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    error_messages::{self, CallContext},
    fault::{Failure, Fault},
    gate::Gate,
    wire::Reply,
};

/// The most empty answers that one call pays for. A further one would most likely be empty too.
const EMPTY_ANSWERS_MAX: u32 = 2;

/// A model that answered another call within this time is taken to work.
const RECENTLY: Duration = Duration::from_secs(60);

/// The call was cancelled.
struct Stopped;

async fn sleep(wait: Duration, cancel: &CancellationToken) -> Result<(), Stopped> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Stopped),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

/// How often and how fast a failed request is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryConfig {
    /// The most requests of one call, including the first; at least 1.
    pub attempts_max: u32,
    /// The waits before further requests. Half of each wait is random.
    pub backoff: Backoff,
    /// The longest wait within a call. A run that must wait longer for the model waits in the queue.
    pub model_wait_max: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(20)),
            model_wait_max: Duration::MAX,
        }
    }
}

/// The state that all calls of a client share.
#[derive(Debug)]
pub(super) struct Resilience {
    pub(super) retry: RetryConfig,
    pub(super) gate: Arc<Gate>,
    pub(super) jitter: Jitter,
    /// The total time of one call, waits included.
    pub(super) total_timeout: Duration,
}

/// A reply, and the level of structured output that produced it.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) reply: Reply,
    pub(super) structured_output: StructuredOutput,
}

/// An answer, and the effort of the whole call.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) answered: Answered,
    pub(super) usage: Usage,
    pub(super) attempts: u32,
}

impl Resilience {
    /// Makes requests with `attempt`, which gets the call's deadline, until one is answered or no further one
    /// makes sense.
    pub(super) async fn call<F, Fut>(
        &self,
        explain: &error_messages::Explain<'_>,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
        attempt: F,
    ) -> Result<Success, LlmError>
    where
        F: Fn(Instant) -> Fut + Send + Sync,
        Fut: Future<Output = Result<Answered, Failure>> + Send,
    {
        let deadline = timer_now() + self.total_timeout;
        let mut usage = Usage::default();
        let (mut attempts, mut empty_answers, mut held_up) = (0, 0, Duration::ZERO);
        let began = self.gate.now();
        loop {
            if cancel.is_cancelled() {
                return Err(error_messages::cancelled(usage, attempts));
            }
            if spend_limit_usd.is_some_and(|limit| usage.cost_usd >= limit) {
                return Err(error_messages::spend_limit(usage, attempts));
            }
            if spend_limit_usd.is_some() && usage.cost_is_unknown {
                return Err(error_messages::unknown_cost(usage, attempts));
            }
            let left = deadline.saturating_duration_since(timer_now());
            let pass = match self.gate.enter() {
                Ok(pass) => pass,
                Err(refusal) => {
                    held_up += refusal.wait;
                    if refusal.wait >= left || held_up > self.retry.model_wait_max {
                        return Err(error_messages::paused(refusal, usage, attempts));
                    }
                    sleep(refusal.wait, cancel)
                        .await
                        .map_err(|_| error_messages::cancelled(usage, attempts))?;
                    continue;
                }
            };
            attempts += 1;
            let result = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(error_messages::cancelled(usage, attempts)),
                result = attempt(deadline) => result,
            };
            let failure = match result {
                Ok(answered) => {
                    pass.succeeded();
                    usage += answered.reply.usage;
                    return Ok(Success { answered, usage, attempts });
                }
                Err(failure) => failure,
            };
            usage += failure.usage;
            attempts -= u32::from(matches!(failure.fault, Fault::NotOurs));
            let is_own = failure.fault.may_be_own()
                && self.gate.has_succeeded_since(self.own_since(&failure.fault, began));
            match failure.fault.outage().filter(|_| !is_own) {
                Some(code) => pass.failed(code, failure.fault.retry_after()),
                None => pass.refused(),
            }

            empty_answers += u32::from(matches!(failure.fault, Fault::EmptyContent));
            let wait = self.wait_before_next(&failure.fault, attempts);
            let wait = wait.filter(|_| empty_answers < EMPTY_ANSWERS_MAX);
            let left = deadline.saturating_duration_since(timer_now());
            let Some(wait) = wait.filter(|wait| *wait < left && *wait <= self.retry.model_wait_max) else {
                let given_up_with = CallContext { attempts, left, total: self.total_timeout, is_own };
                return Err(explain.failure(&failure.fault, &given_up_with, usage));
            };
            tracing::debug!(
                event = "model_request_retried",
                attempts,
                wait_ms = wait.as_millis() as u64,
                "model request failed; will retry"
            );
            sleep(wait, cancel).await.map_err(|_| error_messages::cancelled(usage, attempts))?;
        }
    }

    /// A success since then shows that the model works, and that the fault is this request's own. While a call
    /// runs into its time limit, the model may have gone away, so only the call's second half counts.
    fn own_since(&self, fault: &Fault, began: Duration) -> Duration {
        let now = self.gate.now();
        let half = now.saturating_sub(began) / 2;
        now.saturating_sub(if matches!(fault, Fault::Upstream(_)) { RECENTLY } else { half.min(RECENTLY) })
    }

    /// The wait before the next request. None if a retry makes no sense, or if the attempts are used up.
    fn wait_before_next(&self, fault: &Fault, attempts: u32) -> Option<Duration> {
        if !fault.is_retryable() || attempts >= self.retry.attempts_max {
            return None;
        }
        let jitter = self.jitter.fraction();
        let backoff = half_random(self.retry.backoff.wait(attempts), jitter);
        Some(match fault.retry_after() {
            // Never earlier than the endpoint asked for. The jitter spreads the retries of many runs.
            Some(asked) => asked.saturating_add(self.retry.backoff.start.mul_f64(jitter)).max(backoff),
            None => backoff,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use foundation::clock::SystemClock;
    use pipeline::llm::{Disposition, LlmErrorCode};

    use super::*;
    use crate::llm::{Routing, fault::Upstream, gate::GateConfig, redact::Redactor, wire};

    fn resilience() -> Resilience {
        Resilience {
            retry: RetryConfig::default(),
            gate: Arc::new(Gate::new(
                GateConfig::default(),
                "a/b".to_owned(),
                Arc::new(SystemClock::default()),
            )),
            jitter: Jitter::seeded(7),
            total_timeout: Duration::from_secs(180),
        }
    }

    fn upstream(status: u16, retry_after: Option<u64>) -> Fault {
        let retry_after = retry_after.map(Duration::from_secs);
        Fault::Upstream(Box::new(Upstream { status: Some(status), retry_after, ..Upstream::default() }))
    }

    fn answered() -> Answered {
        let body = br#"{"choices": [{"finish_reason": "stop", "message": {"content": "x"}}], "usage": {"cost": 0.5}}"#;
        Answered { reply: wire::decode(body, 1_000).unwrap(), structured_output: StructuredOutput::Strict }
    }

    fn explain<'a>(redactor: &'a Redactor, routing: &'a Routing) -> error_messages::Explain<'a> {
        error_messages::Explain { redactor, routing, model: "a/b", output_tokens_max: 10 }
    }

    /// Makes one call whose requests fail with `faults` in turn and then succeed. Returns the time of each
    /// request.
    async fn call(
        resilience: &Resilience,
        limit: Option<f64>,
        faults: Vec<Fault>,
    ) -> (Result<Success, LlmError>, Vec<Duration>) {
        let start = timer_now();
        let made = Mutex::new(Vec::new());
        let (redactor, routing) = (Redactor::new("k".into()), Routing::default());
        let explain = explain(&redactor, &routing);
        let result = resilience
            .call(&explain, limit, &CancellationToken::new(), |_| {
                let mut made = made.lock().unwrap();
                let fault = faults.get(made.len()).cloned();
                made.push(start.elapsed());
                async {
                    let usage = Usage { cost_usd: 0.25, ..Usage::default() };
                    fault.map_or(Ok(answered()), |fault| Err(Failure { usage, ..fault.into() }))
                }
            })
            .await;
        (result, made.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_and_are_partly_random() {
        let (result, made) = call(&resilience(), None, vec![upstream(503, None); 4]).await;
        let success = result.unwrap();
        assert_eq!(success.attempts, 5);
        assert!((success.usage.cost_usd - 1.5).abs() < 1e-9, "failed requests are counted");
        for (pair, full_ms) in made.windows(2).zip([500, 1000, 2000, 4000]) {
            let wait = (pair[1] - pair[0]).as_millis();
            assert!((full_ms / 2..=full_ms + 2).contains(&wait), "{wait} of {full_ms}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_limited() {
        let (result, made) = call(&resilience(), None, vec![upstream(500, None); 9]).await;
        let error = result.unwrap_err();
        assert_eq!((made.len(), error.attempts), (5, 5));
        assert_eq!(error.disposition, Disposition::Wait { after: None });
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_after_is_never_cut_short() {
        let (result, made) = call(&resilience(), None, vec![upstream(429, Some(40))]).await;
        assert!(result.is_ok());
        assert!(made[1] >= Duration::from_secs(40) && made[1] < Duration::from_secs(41), "{made:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_retry_after_is_left_to_the_queue() {
        for (model_wait_max, asked) in [(Duration::MAX, 7_200), (Duration::from_secs(5), 6)] {
            let mut resilience = resilience();
            resilience.retry.model_wait_max = model_wait_max;
            let (result, made) = call(&resilience, None, vec![upstream(429, Some(asked))]).await;
            let error = result.unwrap_err();
            assert_eq!(error.code, LlmErrorCode::LlmRateLimit);
            assert_eq!(error.disposition, Disposition::Wait { after: Some(Duration::from_secs(asked)) });
            assert_eq!(made, [Duration::ZERO]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_starts_after_the_budget_is_spent() {
        let (result, made) = call(&resilience(), Some(0.5), vec![upstream(503, None); 4]).await;
        let error = result.unwrap_err();
        assert_eq!((error.code, made.len()), (LlmErrorCode::LlmCostLimit, 2));
        assert!(error.message.contains("LLM_MAX_COST_PER_RUN_USD"), "{}", error.message);
        let (result, made) = call(&resilience(), Some(0.0), Vec::new()).await;
        assert_eq!((result.unwrap_err().code, made.len()), (LlmErrorCode::LlmCostLimit, 0));
    }

    /// Calls that give up as soon as the gate is closed.
    fn impatient() -> Resilience {
        let mut resilience = resilience();
        resilience.retry.model_wait_max = Duration::ZERO;
        resilience
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_tells_its_own_reason() {
        for (status, code) in [
            (429, LlmErrorCode::LlmRateLimit),
            (402, LlmErrorCode::LlmCredits),
            (401, LlmErrorCode::LlmAuth),
            (504, LlmErrorCode::LlmTimeout),
            (503, LlmErrorCode::LlmError),
        ] {
            let resilience = impatient();
            for _ in 0..5 {
                let _ = call(&resilience, None, vec![upstream(status, None)]).await;
            }
            let (result, made) = call(&resilience, None, Vec::new()).await;
            let error = result.unwrap_err();
            assert!(made.is_empty(), "{status}");
            assert_eq!(error.code, code);
            assert!(matches!(error.disposition, Disposition::Wait { after: Some(_) }), "{error:?}");
            tokio::time::advance(Duration::from_secs(60)).await;
            assert!(call(&resilience, None, Vec::new()).await.0.is_ok(), "the probe opens it");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refused_documents_do_not_close_the_gate() {
        let resilience = impatient();
        for _ in 0..20 {
            let refusal = Upstream { status: Some(403), is_refusal: true, ..Upstream::default() };
            let (result, made) = call(&resilience, None, vec![Fault::Upstream(Box::new(refusal))]).await;
            assert_eq!((result.unwrap_err().code, made.len()), (LlmErrorCode::LlmRefused, 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_403_beside_successes_is_the_requests_own() {
        let resilience = impatient();
        let (result, _) = call(&resilience, None, vec![upstream(403, None)]).await;
        assert!(matches!(result.unwrap_err().disposition, Disposition::Wait { .. }));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(call(&resilience, None, Vec::new()).await.0.is_ok());
        let (result, _) = call(&resilience, None, vec![upstream(403, None)]).await;
        assert_eq!(result.unwrap_err().disposition, Disposition::Fail);
        assert!(call(&resilience, None, Vec::new()).await.0.is_ok(), "others go on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_is_offered_where_the_sentence_names_it() {
        let (redactor, routing) = (Redactor::new("k".into()), Routing::default());
        let explain = explain(&redactor, &routing);
        let statuses =
            [400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 524, 529, 599];
        let refusal = Upstream { status: Some(403), is_refusal: true, ..Upstream::default() };
        let mut faults: Vec<Fault> = statuses.map(|status| upstream(status, None)).to_vec();
        faults.extend([
            Fault::Upstream(Box::new(refusal)),
            Fault::Upstream(Box::default()),
            upstream(429, Some(7_200)),
            upstream(503, Some(7_200)),
            Fault::Connection("refused"),
            Fault::Idle(Duration::from_secs(1)),
            Fault::Deadline,
            Fault::NotAnAnswer("a page"),
            Fault::CutOff,
            Fault::TooLarge(1),
            Fault::EmptyContent,
            Fault::LengthLimit,
            Fault::ContentFilter,
            Fault::Refusal("no".to_owned()),
        ]);
        for fault in faults {
            for is_own in [false, true] {
                let left = Duration::from_secs(10);
                let given_up = CallContext { attempts: 1, left, total: left, is_own };
                let error = explain.failure(&fault, &given_up, Usage::default());
                let names_it = error.message.contains("retry the run");
                assert_eq!(names_it, error.disposition.can_retry(), "{fault:?} {error:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn cancelling_ends_a_wait() {
        let cancel = CancellationToken::new();
        let (redactor, routing) = (Redactor::new("k".into()), Routing::default());
        let explain = explain(&redactor, &routing);
        let resilience = resilience();
        let call =
            resilience.call(&explain, None, &cancel, |_| async { Err(upstream(429, Some(60)).into()) });
        let (result, ()) = tokio::join!(call, async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            cancel.cancel();
        });
        let error = result.unwrap_err();
        assert_eq!((error.code, error.attempts), (LlmErrorCode::Cancelled, 1));
    }
}
