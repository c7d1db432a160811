//! Why a model stopped, in the words of all providers.

/// The meaning of a finish reason for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// The model said all it wanted to say.
    Stop,
    /// A word that this version does not know.
    Unknown,
    /// Something broke.
    Error,
    /// The model or a filter withheld the answer.
    Refused,
    /// A limit of tokens cut the answer off.
    Truncated,
}

/// Words of OpenAI, Anthropic, Cohere, Mistral, Bedrock, vLLM, TGI and others for a complete answer.
const STOP: [&str; 17] = [
    "stop",
    "end_turn",
    "stop_sequence",
    "eos",
    "eos_token",
    "end",
    "stop_token",
    "complete",
    "completed",
    "finished",
    "finish",
    "done",
    "success",
    "tool_calls",
    "tool_use",
    "tool_call",
    "function_call",
];
/// Words of OpenAI, Anthropic, Google, Mistral, Cohere, TGI and the Responses API for a limit of tokens.
const TRUNCATED: [&str; 14] = [
    "length",
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "max_new_tokens",
    "model_length",
    "max_length",
    "token_limit",
    "limit",
    "incomplete",
    "error_limit",
    "model_context_window_exceeded",
    "context_length_exceeded",
    "context_window_exceeded",
];
/// Words of OpenAI, Azure, Anthropic, Google, Bedrock, Cohere and Zhipu for a withheld answer.
const REFUSED: [&str; 20] = [
    "content_filter",
    "content_filtered",
    "content_filter_stop",
    "refusal",
    "refused",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "image_safety",
    "language",
    "guardrail_intervened",
    "guardrails",
    "moderation",
    "blocked",
    "error_toxic",
    "sensitive",
    "content_policy_violation",
    "policy_violation",
];
/// Words of OpenRouter, Google, DeepSeek, Zhipu and vLLM for a failure.
const ERROR: [&str; 14] = [
    "error",
    "failed",
    "failure",
    "abort",
    "aborted",
    "cancelled",
    "canceled",
    "timeout",
    "network_error",
    "server_error",
    "insufficient_system_resource",
    "malformed_function_call",
    "malformed_response",
    "unexpected_tool_call",
];

/// Reads a finish reason, in any case and with the prefixes that enumerations get (`FinishReason.MAX_TOKENS`).
pub(super) fn classify(word: &str) -> End {
    let word = word.to_ascii_lowercase().replace(['-', ' '], "_");
    let word = word.rsplit(['.', ':', '/']).next().unwrap_or_default();
    let word = word.strip_prefix("finish_reason_").unwrap_or(word);
    for (end, words) in
        [(End::Stop, &STOP[..]), (End::Truncated, &TRUNCATED), (End::Refused, &REFUSED), (End::Error, &ERROR)]
    {
        if words.contains(&word) {
            return end;
        }
    }
    End::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_all_providers_are_understood() {
        for (word, end) in [
            ("stop", End::Stop),
            ("STOP", End::Stop),
            ("end_turn", End::Stop),
            ("COMPLETE", End::Stop),
            ("tool_calls", End::Stop),
            ("MAX_TOKENS", End::Truncated),
            ("max-tokens", End::Truncated),
            ("FinishReason.MAX_TOKENS", End::Truncated),
            ("FINISH_REASON_MAX_TOKENS", End::Truncated),
            ("model_length", End::Truncated),
            ("SAFETY", End::Refused),
            ("guardrail_intervened", End::Refused),
            ("network_error", End::Error),
            ("pause_turn", End::Unknown),
            ("", End::Unknown),
        ] {
            assert_eq!(classify(word), end, "{word}");
        }
    }
}
