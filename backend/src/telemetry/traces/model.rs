//! The span of a call to the model, by the conventions of GenAI. It holds no prompt and no answer.

use opentelemetry::{
    Array, Context, KeyValue, StringValue, Value,
    trace::{SpanBuilder, SpanKind, TraceContextExt as _},
};
use pipeline::llm::{Completion, Usage};

use super::{
    attributes::{
        ATTEMPTS, COST_USD, GEN_AI_CACHE_READ_TOKENS, GEN_AI_CONVERSATION, GEN_AI_FINISH_REASONS,
        GEN_AI_INPUT_TOKENS, GEN_AI_OPERATION, GEN_AI_OUTPUT_TOKENS, GEN_AI_OUTPUT_TYPE, GEN_AI_PROVIDER,
        GEN_AI_REQUEST_MAX_TOKENS, GEN_AI_REQUEST_MODEL, GEN_AI_RESPONSE_ID, GEN_AI_RESPONSE_MODEL,
        SERVER_ADDRESS, SERVER_PORT,
    },
    ids::Chosen,
    run::current,
    tracer::{fail, is_traced, traces},
};

/// The most characters of a word that an endpoint chooses: the name of a model, an id, a reason.
const WORD_CHARS_MAX: usize = 100;

/// The facts of a call before it is made.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub provider: &'static str,
    pub model: &'a str,
    pub host: &'a str,
    pub port: Option<u16>,
    pub run: &'a str,
    pub output_tokens_max: u32,
}

/// A call under way.
#[derive(Debug)]
pub struct ModelCall(Option<Context>);

/// The span of a call, for an endpoint that joins its own traces to ours.
#[derive(Debug, Clone)]
pub struct ParentIds {
    pub trace_id: String,
    pub span_id: String,
}

/// Begins a call, below the stage under way.
#[must_use]
pub fn begin_model_call(asked: &Asked<'_>) -> ModelCall {
    let Some(traces) = traces() else { return ModelCall(None) };
    let parent = current();
    if !is_traced(&parent) {
        return ModelCall(None);
    }
    let Asked { provider, model, host, port, run, output_tokens_max } = *asked;
    let mut attributes = vec![
        KeyValue::new(GEN_AI_OPERATION, "chat"),
        KeyValue::new(GEN_AI_PROVIDER, provider),
        KeyValue::new(GEN_AI_REQUEST_MODEL, model.to_owned()),
        KeyValue::new(GEN_AI_REQUEST_MAX_TOKENS, i64::from(output_tokens_max)),
        KeyValue::new(GEN_AI_OUTPUT_TYPE, "json"),
        KeyValue::new(GEN_AI_CONVERSATION, run.to_owned()),
        KeyValue::new(SERVER_ADDRESS, host.to_owned()),
    ];
    attributes.extend(port.map(|port| KeyValue::new(SERVER_PORT, i64::from(port))));
    let builder = SpanBuilder::from_name(format!("chat {model}"))
        .with_kind(SpanKind::Client)
        .with_attributes(attributes);
    ModelCall(Some(traces.begin(builder, &parent, Chosen::default())))
}

impl ModelCall {
    /// None if the call is not traced.
    #[must_use]
    pub fn ids(&self) -> Option<ParentIds> {
        let span = self.0.as_ref()?.span().span_context().clone();
        Some(ParentIds { trace_id: span.trace_id().to_string(), span_id: span.span_id().to_string() })
    }

    /// The model has answered.
    pub fn answered(self, completion: &Completion) {
        let Some(context) = self.0 else { return };
        let mut attributes = vec![KeyValue::new(GEN_AI_RESPONSE_MODEL, word(&completion.model))];
        if let Some(id) = &completion.generation_id {
            attributes.push(KeyValue::new(GEN_AI_RESPONSE_ID, word(id)));
        }
        if let Some(reason) = &completion.finish_reason {
            let reasons = Value::Array(Array::String(vec![StringValue::from(word(reason))]));
            attributes.push(KeyValue::new(GEN_AI_FINISH_REASONS, reasons));
        }
        context.span().set_attributes(attributes);
        end(&context, completion.attempts, &completion.usage);
    }

    /// The call has failed, with a code of a closed set.
    pub fn failed(self, code: &'static str, attempts: u32, usage: &Usage) {
        let Some(context) = self.0 else { return };
        fail(&context, code);
        end(&context, attempts, usage);
    }
}

fn end(context: &Context, attempts: u32, usage: &Usage) {
    let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
    let span = context.span();
    span.set_attributes([
        KeyValue::new(GEN_AI_INPUT_TOKENS, count(usage.prompt_tokens)),
        KeyValue::new(GEN_AI_OUTPUT_TOKENS, count(usage.completion_tokens)),
        KeyValue::new(GEN_AI_CACHE_READ_TOKENS, count(usage.cached_tokens)),
        KeyValue::new(COST_USD, usage.cost_usd),
        KeyValue::new(ATTEMPTS, i64::from(attempts)),
    ]);
    span.end();
}

fn word(text: &str) -> String {
    text.chars().take(WORD_CHARS_MAX).collect()
}
