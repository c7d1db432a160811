//! `GET /models` and `GET /key`.

use serde_json::{Value, json};

use super::{Options, options::Model};

/// The price list. Source: OpenRouter's reference of `GET /models`: prices are decimal strings.
pub(super) fn models(options: &Options) -> Value {
    let models: Vec<Value> = options.models.iter().map(|model| entry(model, options)).collect();
    json!({"data": models})
}

fn entry(model: &Model, options: &Options) -> Value {
    let mut pricing = json!({"prompt": model.prompt, "completion": model.completion, "request": "0", "image": "0",
        "web_search": "0", "internal_reasoning": "0"});
    for (key, price) in
        [("input_cache_read", model.input_cache_read), ("input_cache_write", model.input_cache_write)]
    {
        if let Some(price) = price {
            pricing[key] = json!(price);
        }
    }
    json!({
        "id": model.id, "canonical_slug": model.id, "name": model.id, "created": 1_767_225_600,
        "context_length": model.context_length, "pricing": pricing,
        "architecture": {"modality": "text->text", "input_modalities": ["text"], "output_modalities": ["text"]},
        "top_provider": {"context_length": model.context_length, "max_completion_tokens": 64_000, "is_moderated": false},
        "supported_parameters": options.provider.supported_parameters(),
    })
}

pub(super) fn key() -> Value {
    json!({"data": {"label": "sk-or-v1-…", "limit": 10.0, "limit_remaining": 7.5, "usage": 2.5, "usage_daily": 0.5,
        "is_free_tier": false, "rate_limit": {"requests": 200, "interval": "10s"}}})
}
