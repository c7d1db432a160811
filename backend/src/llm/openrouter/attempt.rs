//! One attempt of a call: the level of structured output, the rescue of a complete answer, and the costs.

use std::sync::atomic::Ordering;

use pipeline::llm::{CompletionRequest, Oddity, Usage};
use tokio::time::Instant;

use super::{
    super::{
        fault::{Failure, Fault},
        ladder::Level,
        request,
        resilience::Answered,
        wire::Reply,
    },
    Call, OpenRouter,
};

/// The approximate number of characters per token, for endpoints that count no tokens.
const CHARS_PER_TOKEN: u64 = 4;

impl OpenRouter {
    /// Makes one attempt at the level that the model needs, or at a lower one if the endpoint refuses it. A
    /// refusal costs nothing, so it does not count as an attempt.
    pub(super) async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Answered, Failure> {
        let mut level = self.ladder.level(&self.model);
        loop {
            let result = match self.exchange(call, level, deadline).await {
                Err(failure) => self.below(level, &failure).ok_or(failure),
                Ok(reply) => {
                    self.ladder.remember(&self.model, level);
                    let reply = self.priced(call, reply).await;
                    return Ok(Answered { reply, structured_output: level.structured_output });
                }
            };
            level = match result {
                Ok(next) => next,
                Err(failure) => return self.rescued(call, level, failure).await,
            };
        }
    }

    /// The next level if the endpoint refused this one.
    fn below(&self, level: Level, failure: &Failure) -> Option<Level> {
        let Fault::Upstream(refusal) = &failure.fault else { return None };
        let next = self.ladder.below(level, refusal)?;
        tracing::info!(
            event = "structured_output_lowered",
            model = self.model,
            from = level.structured_output.as_str(),
            to = next.structured_output.as_str(),
            require_parameters = next.requires_parameters,
            refusal = self.redactor.clean(&refusal.message),
            "the endpoint refuses this kind of structured output; trying the next one"
        );
        Some(next)
    }

    /// The answer that was complete before the fault, if any, because it is paid for. An answer that was cut
    /// off at a limit or withheld is never complete.
    async fn rescued(&self, call: &Call<'_>, level: Level, failure: Failure) -> Result<Answered, Failure> {
        let Failure { fault, usage, partial } = failure;
        if let Some(mut reply) = partial
            && call.source.is_answered_by(&reply.parts, reply.is_finished)
        {
            self.ladder.remember(&self.model, level);
            reply.oddities.insert(match fault {
                Fault::Upstream(_) | Fault::Refusal(_) => Oddity::ErrorAfterAnswer,
                _ => Oddity::MissingEnd,
            });
            let reply = self.priced(call, *reply).await;
            return Ok(Answered { reply, structured_output: level.structured_output });
        }
        let length_max = u64::from(call.output_tokens_max) * CHARS_PER_TOKEN;
        let received = if matches!(fault, Fault::LengthLimit) { length_max } else { 0 };
        let usage =
            if usage.cost_is_unknown { self.with_estimate(call, usage, received, None).await } else { usage };
        Err(Failure { fault, usage, partial: None })
    }

    /// Adds an estimated cost to a reply that states none.
    async fn priced(&self, call: &Call<'_>, mut reply: Reply) -> Reply {
        if reply.usage.cost_is_unknown {
            let received = (reply.parts.content.len() + reply.parts.reasoning.len()) as u64;
            reply.usage = self.with_estimate(call, reply.usage, received, reply.model.as_deref()).await;
        }
        reply
    }

    /// Estimates the cost by the endpoint's price list. If tokens were not counted, it uses the lengths of
    /// the texts.
    async fn with_estimate(
        &self,
        call: &Call<'_>,
        usage: Usage,
        received_chars: u64,
        answering_model: Option<&str>,
    ) -> Usage {
        let mut counted = usage;
        if counted.prompt_tokens == 0 && counted.completion_tokens == 0 {
            counted.prompt_tokens = call.sent_bytes.load(Ordering::Relaxed) as u64 / CHARS_PER_TOKEN;
            counted.completion_tokens = received_chars / CHARS_PER_TOKEN;
        }
        // With fallback models, an unknown name may be any of them, also a more expensive one.
        let ours = Some(self.model.as_str()).filter(|_| self.fallback_models.is_empty());
        let models = [answering_model, ours].into_iter().flatten();
        match self.prices.cost_usd(&self.connections, models, &counted).await {
            Some(cost_usd) => Usage { cost_usd, cost_is_estimated: true, cost_is_unknown: false, ..usage },
            None => usage,
        }
    }

    pub(super) fn body(
        &self,
        call: &Call<'_>,
        request: &CompletionRequest,
        level: Level,
    ) -> Result<String, Fault> {
        let asking = request::Asking {
            model: &self.model,
            fallback_models: &self.fallback_models,
            routing: &self.routing,
            level,
            output_tokens_max: call.output_tokens_max,
            trace: call.trace.as_ref(),
        };
        request::body(request, &asking).map_err(|_| {
            Fault::Unwritten(
                "the request cannot be written as JSON, which is a defect of this program".to_owned(),
            )
        })
    }
}
