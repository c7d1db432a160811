//! Builds the error of a failed call for users: a code, a sentence with the next step, and whether a retry
//! may help.

use std::time::Duration;

use pipeline::llm::{Disposition, LlmError, LlmErrorCode, Usage};

use super::{
    fault::{Fault, Upstream},
    gate::Refusal,
    redact::Redactor,
    routing::Routing,
};

/// The parts of the client and of the request that the sentences name.
#[derive(Debug)]
pub(super) struct Explain<'a> {
    pub(super) redactor: &'a Redactor,
    pub(super) routing: &'a Routing,
    pub(super) model: &'a str,
    pub(super) output_tokens_max: u32,
}

/// The state of a call when it failed.
#[derive(Debug)]
pub(super) struct CallContext {
    pub(super) attempts: u32,
    /// The remaining time of the call.
    pub(super) left: Duration,
    pub(super) total: Duration,
    /// Whether the model answered other calls meanwhile, so that the fault concerns this request alone.
    pub(super) is_own: bool,
}

pub(super) fn cancelled(usage: Usage, attempts: u32) -> LlmError {
    let message = "the run was cancelled during a model call".to_owned();
    LlmError { code: LlmErrorCode::Cancelled, message, disposition: Disposition::Fail, usage, attempts }
}

pub(super) fn unknown_cost(usage: Usage, attempts: u32) -> LlmError {
    LlmError {
        code: LlmErrorCode::LlmCostLimit,
        message: "the endpoint does not state what a request cost, so that LLM_MAX_COST_PER_RUN_USD cannot be kept; unset \
                  the limit, or use an endpoint that states costs or prices"
            .to_owned(),
        disposition: Disposition::Fail,
        usage,
        attempts,
    }
}

pub(super) fn spend_limit(usage: Usage, attempts: u32) -> LlmError {
    LlmError {
        code: LlmErrorCode::LlmCostLimit,
        message: "the run has used up what it may spend (LLM_MAX_COST_PER_RUN_USD); raise the limit and retry the run \
                  to go on after the stages that are stored"
            .to_owned(),
        disposition: Disposition::Fail,
        usage,
        attempts,
    }
}

/// The gate is closed.
pub(super) fn paused(refusal: Refusal, usage: Usage, attempts: u32) -> LlmError {
    let Refusal { code, wait } = refusal;
    let wait_text = time(wait);
    let message = match code {
        LlmErrorCode::LlmRateLimit => format!(
            "the endpoint limits the rate of requests, so the model is not asked for another {wait_text}; retry the run then"
        ),
        LlmErrorCode::LlmCredits => format!(
            "the account behind OPENROUTER_API_KEY has no credits left, so the model is not asked for another {wait_text}; \
             add credits, then retry the run"
        ),
        LlmErrorCode::LlmAuth => format!(
            "the endpoint does not accept OPENROUTER_API_KEY, so the model is not asked for another {wait_text}; set a \
             valid key, then retry the run"
        ),
        _ => format!(
            "the model's endpoint has failed too often, so it is not asked for another {wait_text}; retry the run then"
        ),
    };
    LlmError { code, message, disposition: Disposition::Wait { after: Some(wait) }, usage, attempts }
}

impl Explain<'_> {
    /// The error of a call that failed with this fault.
    pub(super) fn failure(&self, fault: &Fault, call: &CallContext, usage: Usage) -> LlmError {
        let (code, message) = self.code_and_message(fault, call);
        LlmError { code, message, disposition: self.disposition(fault, call), usage, attempts: call.attempts }
    }

    fn disposition(&self, fault: &Fault, call: &CallContext) -> Disposition {
        let after = fault.retry_after();
        match fault {
            Fault::Upstream(upstream) if !self.unmet(upstream).is_empty() => Disposition::Fail,
            Fault::Upstream(upstream) if upstream.status == Some(403) && call.is_own => Disposition::Fail,
            Fault::EmptyContent => Disposition::Retry { after },
            fault => match fault.outage() {
                Some(_) if call.is_own => Disposition::Retry { after },
                Some(_) => Disposition::Wait { after },
                None => Disposition::Fail,
            },
        }
    }

    /// The operator's constraints that no provider meets.
    fn unmet(&self, upstream: &Upstream) -> Vec<&'static str> {
        if matches!(upstream.status, Some(400 | 404 | 422 | 503)) && !upstream.is_refusal {
            self.constraints(upstream)
        } else {
            Vec::new()
        }
    }

    fn code_and_message(&self, fault: &Fault, call: &CallContext) -> (LlmErrorCode, String) {
        use LlmErrorCode::{LlmError, LlmInvalidOutput, LlmRefused, LlmTimeout, LlmTruncated};
        let model = self.redactor.clean(self.model);
        let tried = attempts(call.attempts);
        match fault {
            Fault::Upstream(upstream) => self.upstream(upstream, call),
            Fault::Connection(what) => (
                LlmError,
                format!(
                    "the model's endpoint gave no answer: {what} ({tried}); check OPENROUTER_BASE_URL and the network, \
                     then retry the run"
                ),
            ),
            Fault::Idle(limit) => (
                LlmTimeout,
                format!(
                    "the model's endpoint sent nothing for {} ({tried}); retry the run later",
                    time(*limit)
                ),
            ),
            Fault::Deadline => (
                LlmTimeout,
                format!(
                    "no whole answer came within {} ({tried}); retry the run, and if that happens again, raise \
                     LLM_TIMEOUT_SECONDS or choose a faster model with LLM_MODEL",
                    time(call.total)
                ),
            ),
            Fault::NotAnAnswer(what) => (
                LlmError,
                format!(
                    "the endpoint answered with {what} instead of a model's answer ({tried}); check OPENROUTER_BASE_URL, \
                     or retry the run later"
                ),
            ),
            Fault::CutOff => (
                LlmError,
                format!("the endpoint's answer broke off before its end ({tried}); retry the run later"),
            ),
            Fault::TooLarge(bytes) => (
                LlmInvalidOutput,
                format!(
                    "the endpoint's answer is larger than {bytes} bytes, which no stage needs; check \
                     OPENROUTER_BASE_URL, or choose another model with LLM_MODEL"
                ),
            ),
            Fault::EmptyContent => (
                LlmInvalidOutput,
                format!(
                    "{model} answered with nothing ({tried}); retry the run, or choose another model with LLM_MODEL"
                ),
            ),
            Fault::LengthLimit => (
                LlmTruncated,
                format!(
                    "{model} was cut off before its answer was complete, at the limit of {} tokens or at a lower one of its \
                     endpoint; choose a model that answers more briefly, or one with a higher limit, with LLM_MODEL",
                    self.output_tokens_max
                ),
            ),
            Fault::ContentFilter => (
                LlmRefused,
                format!(
                    "the provider's content filter withheld the answer of {model}; choose another model with LLM_MODEL, or \
                     use another document"
                ),
            ),
            Fault::Unwritten(reason) => (LlmError, reason.clone()),
            Fault::NotOurs => (
                LlmErrorCode::Cancelled,
                "the run's lease could not be renewed, so that the model was not asked; the run goes on where its lease is sure"
                    .to_owned(),
            ),
            Fault::Refusal(words) => (
                LlmRefused,
                format!(
                    "{model} declined to answer{}; choose another model with LLM_MODEL, or use another document",
                    self.quoted(words)
                ),
            ),
        }
    }

    fn upstream(&self, upstream: &Upstream, call: &CallContext) -> (LlmErrorCode, String) {
        use LlmErrorCode::{LlmAuth, LlmCredits, LlmError, LlmRateLimit, LlmRefused};
        let model = self.redactor.clean(self.model);
        let tried = attempts(call.attempts);
        let status = upstream.status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
        let said = format!("({status}{})", self.quoted(&upstream.message));
        if upstream.is_refusal {
            let message = format!(
                "the provider's filter refused the document or the prompt {said}; choose another model with LLM_MODEL, or \
                 use another document"
            );
            return (LlmRefused, message);
        }
        let constraints = self.unmet(upstream);
        match upstream.status {
            _ if !constraints.is_empty() => (
                LlmError,
                format!(
                    "no provider of {model} meets {} {said}; loosen {}, or choose another model with LLM_MODEL",
                    constraints.join(", "),
                    if constraints.len() == 1 { "it" } else { "one of them" }
                ),
            ),
            Some(401) => {
                let step = "set a valid key, then retry the run";
                (LlmAuth, format!("the endpoint does not accept OPENROUTER_API_KEY {said}; {step}"))
            }
            Some(403) if call.is_own => (
                LlmAuth,
                format!(
                    "the endpoint does not allow this request {said}, and it answers others; check whether the document \
                     breaks the provider's rules, or choose another model with LLM_MODEL"
                ),
            ),
            Some(403) => (
                LlmAuth,
                format!(
                    "the endpoint does not allow this request {said}; check what OPENROUTER_API_KEY may use, then retry the \
                     run"
                ),
            ),
            Some(402) => (
                LlmCredits,
                format!(
                    "the account behind OPENROUTER_API_KEY has no credits left {said}; add credits, then retry the run"
                ),
            ),
            Some(404) => (
                LlmError,
                format!(
                    "the endpoint has no model {model} that can answer by a schema {said}; check LLM_MODEL and \
                     LLM_FALLBACK_MODELS"
                ),
            ),
            Some(413) => (
                LlmError,
                format!(
                    "the prompt is too large for the endpoint {said}; use a shorter document or a model with a larger context"
                ),
            ),
            Some(429) => (LlmRateLimit, rate_limit(upstream, call, &said)),
            Some(300..=399) if !upstream.is_retryable() => (
                LlmError,
                format!(
                    "the endpoint redirects {said}, and the client follows no redirect; check OPENROUTER_BASE_URL"
                ),
            ),
            Some(400..=499) if !upstream.is_retryable() => (
                LlmError,
                format!("the endpoint refused the request {said}; check LLM_MODEL and OPENROUTER_BASE_URL"),
            ),
            _ => match upstream.retry_after.filter(|after| *after >= call.left) {
                Some(after) => (
                    LlmError,
                    format!(
                        "the model's endpoint is not available {said} and asks to wait {}, longer than the {} left of \
                         LLM_TIMEOUT_SECONDS; retry the run then",
                        time(after),
                        time(call.left)
                    ),
                ),
                None => {
                    (LlmError, format!("the model's endpoint failed {said}, {tried}; retry the run later"))
                }
            },
        }
    }

    /// The operator's constraints that this refusal may concern, as far as its words show.
    fn constraints(&self, upstream: &Upstream) -> Vec<&'static str> {
        let words = upstream.message.to_lowercase();
        let is_about_routing =
            ["endpoint", "provider", "policy", "routing", "price"].iter().any(|w| words.contains(w));
        if is_about_routing { self.routing.named_in(&words) } else { Vec::new() }
    }

    /// The endpoint's words, cleaned, after a colon.
    fn quoted(&self, words: &str) -> String {
        let words = self.redactor.clean(words);
        if words.is_empty() { words } else { format!(": {words}") }
    }
}

fn rate_limit(upstream: &Upstream, call: &CallContext, said: &str) -> String {
    match upstream.retry_after {
        Some(after) if after >= call.left => format!(
            "the endpoint limits the rate of requests {said} and asks to wait {}, longer than the {} left of \
             LLM_TIMEOUT_SECONDS; retry the run then",
            time(after),
            time(call.left)
        ),
        _ => format!(
            "the endpoint limits the rate of requests {said}, {}; retry the run later",
            attempts(call.attempts)
        ),
    }
}

fn attempts(count: u32) -> String {
    if count == 1 { "1 attempt".to_owned() } else { format!("{count} attempts") }
}

/// A duration for people, rounded up, so that nobody retries too early.
fn time(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}
