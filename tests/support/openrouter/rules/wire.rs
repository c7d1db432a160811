//! The rules of OpenRouter's own wire format, whatever provider stands behind it.
//!
//! Source: the reference of `POST /chat/completions` and the guide "Provider routing"
//! (<https://openrouter.ai/docs/api-reference/chat-completion>,
//! <https://openrouter.ai/docs/guides/routing/provider-selection>): unknown keys are rejected, and constraints of routing
//! that no endpoint meets end in a 404 (truefoundry/models#826, slomin/sai#115).

use serde_json::Value;

use super::{Refusal, own};

const KEYS: [&str; 48] = [
    "model",
    "models",
    "messages",
    "prompt",
    "response_format",
    "structured_outputs",
    "stop",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "top_a",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "prediction",
    "transforms",
    "route",
    "provider",
    "user",
    "usage",
    "reasoning",
    "reasoning_effort",
    "include_reasoning",
    "verbosity",
    "modalities",
    "plugins",
    "web_search_options",
    "metadata",
    "session_id",
    "trace",
    "cache_control",
    "image_config",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "debug",
];

/// The keys of `provider`, and the kind of value that each takes.
const PROVIDER_KEYS: [(&str, Kind); 13] = [
    ("order", Kind::Names),
    ("allow_fallbacks", Kind::Flag),
    ("require_parameters", Kind::Flag),
    ("data_collection", Kind::Word(&["allow", "deny"])),
    ("zdr", Kind::Flag),
    ("enforce_distillable_text", Kind::Flag),
    ("only", Kind::Names),
    ("ignore", Kind::Names),
    ("quantizations", Kind::Names),
    ("sort", Kind::Any),
    ("max_price", Kind::Prices),
    ("preferred_min_throughput", Kind::Any),
    ("preferred_max_latency", Kind::Any),
];
const PRICES: [&str; 5] = ["prompt", "completion", "request", "image", "audio"];
const EFFORTS: [&str; 6] = ["xhigh", "high", "medium", "low", "minimal", "none"];
const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];
const FORMATS: [&str; 5] = ["text", "json_object", "json_schema", "grammar", "python"];
const NAME_CHARS_MAX: usize = 64;
const MODELS_MAX: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Flag,
    Names,
    Word(&'static [&'static str]),
    Prices,
    Any,
}

/// The first fault that OpenRouter would find in the body.
pub(super) fn complaint(body: &Value) -> Option<Refusal> {
    let Some(fields) = body.as_object() else { return Some(own(400, "Expected an object")) };
    let unknown = fields.keys().find(|key| !KEYS.contains(&key.as_str()));
    unknown
        .map(|key| format!("Unrecognized key: \"{key}\""))
        .or_else(|| bad_messages(&body["messages"]))
        .or_else(|| bad_models(body))
        .or_else(|| bad_provider(body.get("provider")?))
        .or_else(|| bad_tokens(body))
        .or_else(|| bad_format(body.get("response_format")?))
        .or_else(|| bad_reasoning(body.get("reasoning")?))
        .map(|why| own(400, why))
}

fn bad_messages(messages: &Value) -> Option<String> {
    let Some(messages) = messages.as_array().filter(|list| !list.is_empty()) else {
        return Some("Input required: specify \"prompt\" or \"messages\"".to_owned());
    };
    messages.iter().enumerate().find_map(|(position, message)| {
        let role = message["role"].as_str().unwrap_or_default();
        if !ROLES.contains(&role) {
            return Some(format!("messages.{position}.role: Invalid input"));
        }
        let is_good = match &message["content"] {
            Value::String(_) => true,
            Value::Array(parts) => {
                parts.iter().all(|part| part["type"] != "text" || part["text"].is_string())
            }
            _ => role == "assistant",
        };
        (!is_good).then(|| format!("messages.{position}.content: Invalid input"))
    })
}

fn bad_models(body: &Value) -> Option<String> {
    let listed = body.get("models").map(|models| models.as_array().map(Vec::as_slice).unwrap_or_default());
    match listed {
        None if body["model"].as_str().is_none_or(str::is_empty) => Some("No models provided".to_owned()),
        Some(models) if models.len() > MODELS_MAX => {
            Some(format!("'models' array must have {MODELS_MAX} items or fewer."))
        }
        Some(models) if !models.iter().all(Value::is_string) => Some("models: Expected string".to_owned()),
        _ => None,
    }
}

fn bad_provider(provider: &Value) -> Option<String> {
    let Some(fields) = provider.as_object() else { return Some("provider: Expected object".to_owned()) };
    fields.iter().find_map(|(key, value)| {
        let Some((_, kind)) = PROVIDER_KEYS.iter().find(|(known, _)| known == key) else {
            return Some(format!("provider: Unrecognized key: {key}"));
        };
        let is_good = value.is_null()
            || match kind {
                Kind::Flag => value.is_boolean(),
                Kind::Names => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
                Kind::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
                Kind::Prices => value.as_object().is_some_and(|prices| {
                    prices
                        .iter()
                        .all(|(key, price)| PRICES.contains(&key.as_str()) && number(price).is_some())
                }),
                Kind::Any => true,
            };
        (!is_good).then(|| format!("provider.{key}: Invalid input"))
    })
}

fn bad_tokens(body: &Value) -> Option<String> {
    ["max_tokens", "max_completion_tokens"].into_iter().find_map(|key| {
        let given = body.get(key).filter(|given| !given.is_null())?;
        (given.as_u64().unwrap_or_default() == 0).then(|| format!("{key}: Number must be greater than 0"))
    })
}

fn bad_format(format: &Value) -> Option<String> {
    let kind = format["type"].as_str().unwrap_or_default();
    if !FORMATS.contains(&kind) {
        return Some("response_format.type: Invalid input".to_owned());
    }
    if kind != "json_schema" {
        return None;
    }
    let name = format["json_schema"]["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Some("response_format.json_schema.name must have 1 to 64 characters".to_owned());
    }
    (!format["json_schema"]["schema"].is_object())
        .then(|| "response_format.json_schema.schema: Required".to_owned())
}

fn bad_reasoning(reasoning: &Value) -> Option<String> {
    let effort = reasoning.get("effort").filter(|effort| !effort.is_null());
    if effort.is_some() && reasoning["max_tokens"].is_number() {
        return Some(
            "Only one of \"reasoning.effort\" and \"reasoning.max_tokens\" can be specified".to_owned(),
        );
    }
    let is_known = effort.is_none_or(|effort| effort.as_str().is_some_and(|word| EFFORTS.contains(&word)));
    (!is_known).then(|| "reasoning.effort: Invalid option".to_owned())
}

/// The endpoint that serves the model, as far as constraints of routing ask about it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// The names under which it may be allowed or denied; none answers to every name.
    pub(crate) slug: Option<&'static str>,
    pub(crate) keeps_no_data: bool,
    pub(crate) trains_on_data: bool,
    /// US dollars for a million tokens: prompt, completion.
    pub(crate) price: (f64, f64),
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { slug: None, keeps_no_data: true, trains_on_data: false, price: (3.0, 15.0) }
    }
}

/// The constraint of a request that the endpoint does not meet.
pub(crate) fn unmet(endpoint: &Endpoint, body: &Value) -> Option<Refusal> {
    let asked = &body["provider"];
    let names = |key: &str| {
        asked[key].as_array().map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>())
    };
    let is_named = |list: &[&str]| endpoint.slug.is_some_and(|slug| list.contains(&slug));
    let denied = names("ignore").is_some_and(|list| is_named(&list));
    let not_allowed = names("only").is_some_and(|list| endpoint.slug.is_some() && !is_named(&list));
    let others_only = asked["allow_fallbacks"] == false
        && names("order").is_some_and(|list| endpoint.slug.is_some() && !is_named(&list));
    if denied || not_allowed || others_only {
        return Some(own(404, "No allowed providers are available for the selected model."));
    }
    let kept = asked["zdr"] == true && !endpoint.keeps_no_data;
    let collected = asked["data_collection"] == "deny" && endpoint.trains_on_data;
    if kept || collected {
        return Some(own(
            404,
            "No endpoints available matching your guardrail restrictions and data policy. Configure: \
             https://openrouter.ai/settings/privacy",
        ));
    }
    let dearer = |key: &str, price: f64| number(&asked["max_price"][key]).is_some_and(|most| price > most);
    (dearer("prompt", endpoint.price.0) || dearer("completion", endpoint.price.1))
        .then(|| own(404, "No endpoints found that meet the requested max_price."))
}

/// A price may come as a number or as a decimal string.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
