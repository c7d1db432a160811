//! The seam to a model: a request with a schema goes out, a reply comes back, or an error that says what to do next.

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
    /// The JSON Schema that is sent as structured output: without bounds, which providers refuse. Shared by all requests of
    /// a stage. The prompt states the bounds.
    pub schema: Arc<serde_json::Value>,
    pub output_tokens_max: u32,
}

/// The source of a question, as often as it has to be asked. While a model thinks, thousands of runs wait: none
/// keeps a request, of which the document is the largest part.
pub trait RequestSource: Send + Sync {
    /// The same each time.
    fn request(&self) -> Result<CompletionRequest, LlmError>;

    /// Whether these parts of a reply hold a complete answer, although the stream broke off, or an error came after it.
    /// `is_finished` says whether the model had said all it wanted to before. The client takes such a reply instead of paying
    /// for another one.
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
    /// Worth caching by the provider, because other stages of the run send the same block first.
    pub cacheable: bool,
}

/// The places of a reply in which an answer may stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyParts {
    /// The message's content, as the model wrote it.
    pub content: String,
    /// The arguments of tool calls, in order.
    pub tool_calls: Vec<String>,
    /// The model's reasoning, where the endpoint keeps it apart from the content.
    pub reasoning: String,
}

impl ReplyParts {
    /// Whether the model said nothing at all.
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

/// A model's reply that holds something and was neither cut off nor refused (not yet checked against the
/// schema).
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    pub parts: ReplyParts,
    /// The model that really answered, as the endpoint names it.
    pub model: String,
    /// The provider behind the endpoint, where it tells.
    pub provider: Option<String>,
    /// The endpoint's id of this generation, for asking about it later.
    pub generation_id: Option<String>,
    /// Everything this call spent, failed attempts included.
    pub usage: Usage,
    /// How many HTTP requests it took, at least 1.
    pub attempts: u32,
    /// Why the model stopped: `stop` for an answer that is known to be whole, whatever the endpoint's word for it is;
    /// another word (or none) where the endpoint says something that this version does not know.
    pub finish_reason: Option<String>,
    /// Whether the endpoint vouches that the model had said all it wanted to say: by its finish reason, or by a proper end
    /// without one.
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

/// The fault of a model call, in the run's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LlmErrorCode {
    /// 429, and waiting as asked would pass the deadline.
    LlmRateLimit,
    /// 402: the account has no credits left.
    LlmCredits,
    /// The run's own cost limit is reached, or cannot be kept because a reply's cost is unknown.
    LlmCostLimit,
    /// 401 or 403.
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
    /// The run was cancelled meanwhile.
    Cancelled,
}

/// The next step after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The same request may work later; not before `after`, where the endpoint said so.
    Retry { after: Option<Duration> },
    /// Asking again cannot help until somebody changes something.
    Fail,
}

/// A model call that failed for good: every retry that made sense has been made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LlmError {
    pub code: LlmErrorCode,
    /// A sentence for people that names the next step; never holds a secret.
    pub message: String,
    pub disposition: Disposition,
    /// The money and tokens that were spent all the same.
    pub usage: Usage,
    pub attempts: u32,
}

/// Something that answers prompts.
#[async_trait]
pub trait LlmClient: Send + Sync + std::fmt::Debug {
    /// Asks once, from the caller's point of view: retries, fallback models and deadlines are inside. The request is made
    /// anew for each attempt.
    ///
    /// `spend_limit_usd` is what the run may still spend; the client does not start an attempt once it is
    /// used up. Returns early with [`LlmErrorCode::Cancelled`] when `cancel` fires.
    async fn complete(
        &self,
        source: &dyn RequestSource,
        spend_limit_usd: Option<f64>,
        cancel: &CancellationToken,
    ) -> Result<Completion, LlmError>;

    /// Takes note of oddities that the reader of a reply tolerated, for metrics and logs.
    fn note_oddities(&self, _run: &RunId, _oddities: Oddities) {}
}
