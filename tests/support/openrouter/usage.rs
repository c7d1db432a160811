//! The tokens and the cost of an answer, in the forms in which endpoints tell them.
//!
//! Source: OpenRouter's guide "Usage accounting" (<https://openrouter.ai/docs/guides/guides/usage-accounting>), OpenAI's
//! and Anthropic's references of `usage`, and for own keys DataDog/dd-trace-py#19324 and tailcallhq/forgecode#1641.

use serde_json::{Value, json};

use super::options::UsageForm;

/// Characters that make a token, about.
pub(super) const TOKEN_CHARS: usize = 4;

/// The tokens of a text, as an estimate.
pub(super) fn tokens(chars: usize) -> usize {
    chars.div_ceil(TOKEN_CHARS)
}

/// Tokens and cost of one answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) prompt: usize,
    /// The part of the prompt that a cache served.
    pub(super) cached: usize,
    pub(super) completion: usize,
    /// The part of the completion that the reader does not see.
    pub(super) reasoning: usize,
    pub(super) cost_usd: f64,
}

/// `usage` in this form; null where the endpoint tells none.
pub(super) fn usage(form: UsageForm, spent: Spent) -> Value {
    let Spent { prompt, cached, completion, reasoning, cost_usd } = spent;
    match form {
        UsageForm::OpenRouter => json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "cost": cost_usd, "is_byok": false,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "cost_details": {"upstream_inference_cost": null},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }),
        UsageForm::OwnKey => json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "cost": 0, "is_byok": true,
            "prompt_tokens_details": {"cached_tokens": cached},
            "cost_details": {"upstream_inference_cost": cost_usd, "upstream_inference_prompt_cost": cost_usd / 4.0,
                "upstream_inference_completions_cost": cost_usd * 3.0 / 4.0},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }),
        UsageForm::OpenAi => json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        }),
        // Here the cached part is no part of the input.
        UsageForm::Anthropic => json!({
            "input_tokens": prompt - cached, "output_tokens": completion,
            "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0,
        }),
        UsageForm::Absent => Value::Null,
    }
}
