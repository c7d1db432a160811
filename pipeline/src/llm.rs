//! The seam to a model. A request with a schema goes out; a reply comes back, or an error with the next step.

pub mod oddity;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub use oddity::{Oddities, Oddity};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::run::{RunId, Stage};

/// A question to a model.
#[derive(Debug, Clone)]
pub struct CompletionRequest {
    /// For logs, accounting and budgets.
    pub run: RunId,
    pub stage: Stage,
    pub system: String,
    /// The user's message in blocks, in order.
    pub blocks: Vec<PromptBlock>,
    /// At most 64 characters of `[a-z0-9_]`.
    pub schema_name: String,
    /// The JSON Schema for structured output, shared by all requests of a stage. It has no bounds, because
    /// providers refuse them. The prompt states the bounds.
    pub schema: Arc<serde_json::Value>,
    pub output_tokens_max: u32,
}

/// Makes a request each time that it is sent. Thousands of runs wait while models think, and none of them
/// keeps a request, which holds the document.
#[async_trait]
pub trait RequestSource: Send + Sync {
    /// Makes the request, the same each time.
    ///
    /// # Errors
    ///
    /// [`LlmErrorCode::LlmError`] if the material of the request cannot be read.
    fn request(&self) -> Result<CompletionRequest, LlmError>;

    /// Whether the run may pay for a request at this moment. Asked right before each one is sent. If not, the call ends
    /// with [`LlmErrorCode::Cancelled`].
    async fn may_be_sent(&self) -> bool {
        true
    }

    /// Whether these parts of a reply hold a complete answer, although the stream broke off or an error
    /// followed. `is_finished` says whether the model had finished before. The client takes such a reply
    /// instead of paying for another.
    fn is_answered_by(&self, _parts: &ReplyParts, _is_finished: bool) -> bool {
        false
    }
}

impl RequestSource for CompletionRequest {
    fn request(&self) -> Result<CompletionRequest, LlmError> {
        Ok(self.clone())
    }
}

/// A part of the user's message.
#[derive(Debug, Clone)]
pub struct PromptBlock {
    pub text: String,
    /// The provider should cache everything up to its end, because other requests begin with the same bytes.
    pub cacheable: bool,
}

/// The parts of a reply that may hold the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyParts {
    /// The message's content, as the model wrote it.
    pub content: String,
    /// The arguments of tool calls, in order.
    pub tool_calls: Vec<String>,
    /// The model's reasoning, if the endpoint separates it from the content.
    pub reasoning: String,
}

impl ReplyParts {
    /// Whether all parts are empty.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let mut texts = self.tool_calls.iter().chain([&self.content, &self.reasoning]);
        texts.all(|text| text.trim().is_empty())
    }
}

/// How a model was held to the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StructuredOutput {
    /// The endpoint was sent the schema, in strict mode.
    Strict,
    /// The endpoint was asked for JSON; the schema stood in the prompt only.
    Json,
    /// The endpoint was asked for text; the schema stood in the prompt only.
    Text,
}

impl StructuredOutput {
    /// The word of settings, logs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Json => "json",
            Self::Text => "text",
        }
    }
}

/// A model's reply that is not empty, cut off or a refusal. It is not checked against the schema yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    pub parts: ReplyParts,
    /// The model that really answered, as the endpoint names it.
    pub model: String,
    /// The provider behind the endpoint, if the endpoint names it.
    pub provider: Option<String>,
    /// The endpoint's id of this generation, for asking about it later.
    pub generation_id: Option<String>,
    /// Tokens and cost of this call, failed attempts included.
    pub usage: Usage,
    /// How many HTTP requests it took, at least 1.
    pub attempts: u32,
    /// Why the model stopped. `stop` stands for a whole answer, in every endpoint's wording. Another word, or
    /// none, means that this version does not know the reason.
    pub finish_reason: Option<String>,
    /// Whether the endpoint confirms that the model finished, by its finish reason or by a proper end of the
    /// stream.
    pub is_finished: bool,
    pub structured_output: StructuredOutput,
}

/// Tokens and money. Adds up over attempts and stages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub cached_tokens: u64,
    /// Tokens that the provider wrote to its cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Tokens that the model spent on reasoning; a part of `completion_tokens`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
    /// US dollars, as the endpoint states it, or as its price list gives it.
    pub cost_usd: f64,
    /// Whether a part of `cost_usd` was computed from the endpoint's price list, because a reply did not state its cost.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cost_is_estimated: bool,
    /// Whether a part of the cost is missing in `cost_usd`: a reply did not state it, and no price list gave it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cost_is_unknown: bool,
}

// Records of earlier releases lack these fields, and must keep their digests.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.cached_tokens += other.cached_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.cost_usd += other.cost_usd;
        self.cost_is_estimated |= other.cost_is_estimated;
        self.cost_is_unknown |= other.cost_is_unknown;
    }
}

/// The error codes of a model call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LlmErrorCode {
    /// The endpoint answered 429, and its requested wait would pass the deadline.
    LlmRateLimit,
    /// 402: the account has no credits left.
    LlmCredits,
    /// The run's own cost limit is reached, or cannot be kept because a reply's cost is unknown.
    LlmCostLimit,
    /// The key is refused: 401, or 403.
    LlmAuth,
    /// Idle or total deadline passed.
    LlmTimeout,
    /// Answers came, but none that satisfies the schema.
    LlmInvalidOutput,
    /// The answer was cut off at a limit of tokens.
    LlmTruncated,
    /// The model or its provider declined to answer.
    LlmRefused,
    /// Anything else.
    LlmError,
    /// The run was cancelled meanwhile, or may be another process's by now.
    Cancelled,
}

/// The next step after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Another attempt may bring a better answer, and not before `after` if the endpoint stated it.
    Retry { after: Option<Duration> },
    /// The endpoint is down, limits the rate, or refuses the account. The same request works once it is well
    /// again, which takes at least `after`.
    Wait { after: Option<Duration> },
    /// The same request fails again until somebody changes something.
    Fail,
}

impl Disposition {
    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn can_retry(self) -> bool {
        matches!(self, Self::Retry { .. } | Self::Wait { .. })
    }
}

/// A model call that failed after every sensible retry.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LlmError {
    pub code: LlmErrorCode,
    /// A sentence for people that names the next step. It never holds a secret.
    pub message: String,
    pub disposition: Disposition,
    /// The tokens and money that the failed call cost.
    pub usage: Usage,
    pub attempts: u32,
}

/// Something that answers prompts.
#[async_trait]
pub trait LlmClient: Send + Sync + std::fmt::Debug {
    /// Asks the model. Retries, fallback models and deadlines are the client's business. It makes the request
    /// anew for each attempt.
    ///
    /// `spend_limit_usd` is the money that the run may still spend. The client starts no attempt after it is
    /// used up.
    ///
    /// # Errors
    ///
    /// [`LlmError`] after every sensible retry, and [`LlmErrorCode::Cancelled`] as soon as `cancel` fires.
    async fn complete(
        &self,
        source: &dyn RequestSource,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
    ) -> Result<Completion, LlmError>;

    /// Notes the oddities that the reader of a reply tolerated, for metrics and logs.
    fn note_oddities(&self, _run: &RunId, _oddities: Oddities) {}
}
