//! The seam to a model: a request with a schema goes out, a text comes back, or an error that says what to
//! do next.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::run::{RunId, Stage};

/// What is asked of a model.
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
    /// The JSON Schema that the answer must satisfy; sent as strict structured output. Shared by all requests of a stage.
    pub schema: Arc<serde_json::Value>,
    pub output_tokens_max: u32,
}

/// Who says what is asked of a model, as often as it has to be asked. While a model thinks, thousands of runs wait: none
/// keeps a request, of which the document is the largest part.
pub trait RequestSource: Send + Sync {
    /// The same each time.
    fn request(&self) -> Result<CompletionRequest, LlmError>;
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

/// A model's answer that holds some text and was neither cut off nor refused (not yet checked against the
/// schema).
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    pub text: String,
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
    /// Why the model stopped, in the endpoint's word: `stop` for an answer that is known to be whole, another
    /// word (or none) where the endpoint says something that this version does not know.
    pub finish_reason: Option<String>,
}

impl Completion {
    /// Whether the endpoint vouches that the model had said all it wanted to say.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finish_reason.as_deref() == Some("stop")
    }
}

/// Tokens and money. Adds up over attempts and stages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub cached_tokens: u64,
    /// US dollars, as the endpoint states it.
    pub cost_usd: f64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.cached_tokens += other.cached_tokens;
        self.cost_usd += other.cost_usd;
    }
}

/// What went wrong with a model call, in the run's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LlmErrorCode {
    /// 429, and waiting as asked would pass the deadline.
    LlmRateLimit,
    /// 402, or the run's own cost limit is reached.
    LlmCredits,
    /// 401 or 403.
    LlmAuth,
    /// Idle or total deadline passed.
    LlmTimeout,
    /// Answers came, but none that satisfies the schema.
    LlmInvalidOutput,
    /// Anything else.
    LlmError,
    /// The run was cancelled meanwhile.
    Cancelled,
}

/// What the caller should do about a failed call.
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
    /// What was spent all the same.
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
}
