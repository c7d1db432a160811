//! An endpoint that knows JSON mode and no schemas.
//!
//! Source: DeepSeek's reference of `response_format` (<https://api-docs.deepseek.com/api/create-chat-completion>), which
//! takes `text` and `json_object` only; the sentence is that of llm-exe/llm-exe#662. The word "JSON" in the messages is
//! demanded by OpenAI's guide ("JSON mode") and by DeepSeek (browserbase/stagehand#1204).

use serde_json::{Value, json};

use super::{Provider, Refusal, passed_on};

pub(super) fn complaint(body: &Value) -> Option<Refusal> {
    match body["response_format"]["type"].as_str()? {
        "json_object" => without_the_word(Provider::JsonModeOnly, body),
        "text" => None,
        _ => Some(refuse(
            Provider::JsonModeOnly,
            "This response_format type is unavailable now",
            "invalid_request_error",
        )),
    }
}

/// JSON mode without the word in any message, which makes models write white space for ever.
pub(super) fn without_the_word(provider: Provider, body: &Value) -> Option<Refusal> {
    let holds = |text: &Value| text.as_str().is_some_and(|text| text.to_ascii_lowercase().contains("json"));
    let found = body["messages"].as_array().into_iter().flatten().any(|message| match &message["content"] {
        Value::Array(parts) => parts.iter().any(|part| holds(&part["text"])),
        text => holds(text),
    });
    let sentence = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
    (!found).then(|| refuse(provider, sentence, ""))
}

fn refuse(provider: Provider, message: &str, code: &str) -> Refusal {
    let code = (!code.is_empty()).then_some(code);
    let error = json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    passed_on(provider, &json!({"error": error}))
}
