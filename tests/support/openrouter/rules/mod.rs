//! The rules by which OpenRouter and the providers behind it refuse a completion request.
//!
//! Each provider's rules stand in a file of their own, with the public page or report that they come from. The rules
//! know nothing of our stages: they read the request's body and nothing else.

mod anthropic;
mod google;
mod json_mode;
mod openai;
mod text_only;
mod walk;
mod wire;

use serde_json::{Value, json};

pub(crate) use wire::{Endpoint, unmet};

/// The provider that a model's endpoint stands for: what its structured output takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Provider {
    /// Takes any schema, and decodes by it.
    #[default]
    Lenient,
    OpenAi,
    Anthropic,
    /// Google's endpoints of today, which take `additionalProperties`.
    Google,
    /// Google's endpoints before that.
    OlderGoogle,
    /// Knows `json_object`, and refuses `json_schema`.
    JsonModeOnly,
    /// Refuses any `response_format`.
    TextOnly,
    /// No endpoint of the model knows `response_format`: `require_parameters` leaves none, and without it the parameter
    /// is dropped on the way.
    NoParameters,
    /// Takes `response_format` and ignores it.
    Ignoring,
}

/// A request that was refused: the status and the body of the response.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Provider {
    /// The name by which OpenRouter shows it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lenient | Self::NoParameters | Self::Ignoring => "Stand-In",
            Self::OpenAi => "OpenAI",
            Self::Anthropic => "Anthropic",
            Self::Google | Self::OlderGoogle => "Google",
            Self::JsonModeOnly => "DeepSeek",
            Self::TextOnly => "Together",
        }
    }

    /// The parameters that `GET /models` lists for its endpoints.
    pub(crate) fn supported_parameters(self) -> Vec<&'static str> {
        let mut all = vec!["max_tokens", "temperature", "top_p", "stop"];
        match self {
            Self::Lenient | Self::OpenAi | Self::Anthropic | Self::Google | Self::OlderGoogle => {
                all.extend(["response_format", "structured_outputs"]);
            }
            // Endpoints that ignore a parameter list it all the same: that is how they come to be chosen.
            Self::JsonModeOnly | Self::Ignoring => all.push("response_format"),
            Self::TextOnly | Self::NoParameters => {}
        }
        all
    }

    /// Its own word for an answer that was cut off at `max_tokens`.
    pub(crate) const fn native_length(self) -> &'static str {
        match self {
            Self::Anthropic => "max_tokens",
            Self::Google | Self::OlderGoogle => "MAX_TOKENS",
            _ => "length",
        }
    }
}

/// The first thing that OpenRouter, or the provider behind it, finds wrong with a request.
pub(crate) fn complaint(provider: Provider, body: &Value) -> Option<Refusal> {
    wire::complaint(body).or_else(|| match provider {
        Provider::Lenient | Provider::Ignoring => None,
        Provider::OpenAi => openai::complaint(body),
        Provider::Anthropic => anthropic::complaint(body),
        Provider::Google => google::complaint(body, google::Age::Today),
        Provider::OlderGoogle => google::complaint(body, google::Age::Older),
        Provider::JsonModeOnly => json_mode::complaint(body),
        Provider::TextOnly => text_only::refused(body),
        Provider::NoParameters => text_only::no_endpoint(body),
    })
}

/// The schema that a request asks a strict answer to, if it does.
pub(super) fn sent_schema(body: &Value) -> Option<&Value> {
    let format = &body["response_format"];
    (format["type"] == "json_schema").then(|| &format["json_schema"]["schema"])
}

/// A provider's own 400, as OpenRouter passes it on: the provider's body stands as text in `metadata.raw`.
fn passed_on(provider: Provider, raw: &Value) -> Refusal {
    let metadata = json!({"raw": raw.to_string(), "provider_name": provider.name(), "is_byok": false});
    let error = json!({"message": "Provider returned error", "code": 400, "metadata": metadata});
    Refusal { status: 400, body: json!({"error": error, "user_id": "user_stand_in"}) }
}

/// A refusal of OpenRouter's own.
fn own(status: u16, message: impl Into<String>) -> Refusal {
    Refusal { status, body: json!({"error": {"message": message.into(), "code": status}}) }
}
