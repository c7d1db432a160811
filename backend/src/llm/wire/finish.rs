//! Finish reasons, in the words of all providers.

/// The meaning of a finish reason for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// The model finished its answer.
    Stop,
    /// A word that this version does not know.
    Unknown,
    /// A failure.
    Error,
    /// The model or a filter withheld the answer.
    Refused,
    /// A limit of tokens truncated the answer.
    Truncated,
}

/// Words of OpenAI, Anthropic, Cohere, Mistral, Bedrock, Baidu, vLLM, TGI and others for a complete answer.
const STOP: [&str; 20] = [
    "stop",
    "endturn",
    "stopsequence",
    "eos",
    "eostoken",
    "end",
    "endoftext",
    "stoptoken",
    "complete",
    "completed",
    "finished",
    "finish",
    "done",
    "success",
    "normal",
    "toolcalls",
    "tooluse",
    "toolcall",
    "functioncall",
    "stopped",
];
/// Words of OpenAI, Anthropic, Google, Mistral, Cohere, TGI and the Responses API for a limit of tokens.
const TRUNCATED: [&str; 20] = [
    "length",
    "maxtokens",
    "maximumtokens",
    "maxtokensreached",
    "toomanytokens",
    "maxoutputtokens",
    "maxcompletiontokens",
    "maxnewtokens",
    "modellength",
    "maxlength",
    "tokenlimit",
    "limit",
    "timelimit",
    "incomplete",
    "errorlimit",
    "modelcontextwindowexceeded",
    "contextlengthexceeded",
    "contextwindowexceeded",
    "truncated",
    "lengthlimit",
];
/// Words of OpenAI, Azure, Anthropic, Google, Bedrock, Cohere and Zhipu for a withheld answer.
const REFUSED: [&str; 22] = [
    "contentfilter",
    "contentfiltered",
    "contentfilterstop",
    "refusal",
    "refused",
    "safety",
    "recitation",
    "blocklist",
    "prohibitedcontent",
    "imageprohibitedcontent",
    "spii",
    "imagesafety",
    "language",
    "modelarmor",
    "guardrailintervened",
    "guardrails",
    "moderation",
    "blocked",
    "errortoxic",
    "sensitive",
    "contentpolicyviolation",
    "policyviolation",
];
/// Words of OpenRouter, Google, DeepSeek, Zhipu and vLLM for a failure.
const ERROR: [&str; 15] = [
    "error",
    "failed",
    "failure",
    "abort",
    "aborted",
    "cancelled",
    "canceled",
    "usercancel",
    "timeout",
    "networkerror",
    "servererror",
    "insufficientsystemresource",
    "malformedfunctioncall",
    "malformedresponse",
    "unexpectedtoolcall",
];

/// Classifies a finish reason, in any case, with any separators, and with the prefixes of enumerations
/// (`FinishReason.MAX_TOKENS`).
pub(super) fn classify(word: &str) -> End {
    let last = word.rsplit(['.', ':', '/']).next().unwrap_or_default();
    let plain: String =
        last.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let plain = plain.strip_prefix("finishreason").unwrap_or(&plain);
    for (end, words) in
        [(End::Stop, &STOP[..]), (End::Truncated, &TRUNCATED), (End::Refused, &REFUSED), (End::Error, &ERROR)]
    {
        if words.contains(&plain) {
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
            ("maxTokens", End::Truncated),
            ("EndTurn", End::Stop),
            ("normal", End::Stop),
            ("MODEL_ARMOR", End::Refused),
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
