//! The body of `POST /chat/completions`.

use pipeline::llm::{CompletionRequest, PromptBlock, StructuredOutput};
use serde::Serialize;
use serde_json::{Value, json};

use super::{ladder::Level, routing::Routing};
use crate::telemetry::traces::ParentIds;

/// Anthropic accepts at most this many cache breakpoints per request.
const CACHE_BREAKPOINTS_MAX: usize = 4;
/// The longest schema name that OpenRouter accepts, in characters.
const SCHEMA_NAME_CHARS_MAX: usize = 64;

#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    /// The endpoint tries them in order after a failure. OpenRouter requires the first model in the list too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<&'a str>,
    messages: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    /// A stream shows whether an endpoint is idle or only slow, and hanging up stops the billing.
    stream: bool,
    /// OpenRouter always states the usage of a stream. Other endpoints need this option.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
    /// OpenRouter joins its own trace of the call to ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Value>,
    /// OpenRouter groups the calls of a run by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

/// The models to use, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) model: &'a str,
    pub(super) fallback_models: &'a [String],
    pub(super) routing: &'a Routing,
    pub(super) level: Level,
    pub(super) output_tokens_max: u32,
    /// The span of the call. None if it is not traced.
    pub(super) trace: Option<&'a ParentIds>,
}

/// Writes the body: structured output of this level, the operator's constraints, and streaming. It sets cache
/// marks on suitable blocks if the model supports them and the endpoint has not refused them.
pub(super) fn body(request: &CompletionRequest, asking: &Asking<'_>) -> serde_json::Result<String> {
    let Asking { model, fallback_models, routing, level, output_tokens_max, trace } = *asking;
    let trace = trace.filter(|_| level.names_trace);
    let output_tokens_max =
        level.output_tokens_max.map_or(output_tokens_max, |most| output_tokens_max.min(most));
    let models = if fallback_models.is_empty() {
        Vec::new()
    } else {
        std::iter::once(model).chain(fallback_models.iter().map(String::as_str)).collect()
    };
    serde_json::to_string(&Body {
        model,
        models,
        messages: json!([
            {"role": "system", "content": request.system},
            {"role": "user", "content": content(&request.blocks, level.marks_cache && model.starts_with("anthropic/"))},
        ]),
        response_format: response_format(request, level.structured_output),
        provider: routing.provider(level),
        reasoning: routing.reasoning(),
        max_tokens: (!level.limits_completion).then_some(output_tokens_max),
        max_completion_tokens: level.limits_completion.then_some(output_tokens_max),
        stream: true,
        stream_options: level.asks_for_usage.then(|| json!({"include_usage": true})),
        trace: trace.map(|ids| {
            json!({
                "trace_id": ids.trace_id,
                "parent_span_id": ids.span_id,
                "span_name": format!("chat {model}"),
                "generation_name": request.stage.to_string(),
            })
        }),
        session_id: trace.map(|_| request.run.as_str()),
    })
}

fn response_format(request: &CompletionRequest, structured_output: StructuredOutput) -> Option<Value> {
    match structured_output {
        StructuredOutput::Strict => {
            let name: String = request.schema_name.chars().take(SCHEMA_NAME_CHARS_MAX).collect();
            Some(json!({
                "type": "json_schema",
                "json_schema": {"name": name, "strict": true, "schema": &*request.schema},
            }))
        }
        StructuredOutput::Json => Some(json!({"type": "json_object"})),
        StructuredOutput::Text => None,
    }
}

/// A single text, because some endpoints accept nothing else. Only parts with cache marks need a list of
/// parts.
fn content(blocks: &[PromptBlock], with_cache_marks: bool) -> Value {
    if !with_cache_marks || !blocks.iter().any(|block| block.cacheable) {
        let texts: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
        return Value::String(texts.join("\n\n"));
    }
    let mut marks_left = CACHE_BREAKPOINTS_MAX;
    let parts = blocks.iter().map(|block| {
        if block.cacheable && marks_left > 0 {
            marks_left -= 1;
            json!({"type": "text", "text": block.text, "cache_control": {"type": "ephemeral"}})
        } else {
            json!({"type": "text", "text": block.text})
        }
    });
    Value::Array(parts.collect())
}
