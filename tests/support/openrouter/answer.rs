//! The text that the model answers a request with, and the wrapping around it.

use serde_json::{Value, json};

use super::{
    State, Wrapping, answers,
    author::Author,
    lock,
    options::{Bound, Violates},
    prompt::Prompt,
    rules::{Provider, sent_schema},
    stage_of,
    usage::TOKEN_CHARS,
};

/// A finished text.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: String,
    /// Whether `max_tokens` ended it.
    pub(super) is_cut: bool,
}

impl Answer {
    pub(super) fn to(state: &State, body: &Value, wrapping: Wrapping) -> Self {
        let text = text(state, body, wrapping);
        let limit = body["max_tokens"].as_u64().or_else(|| body["max_completion_tokens"].as_u64());
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let chars_max = limit.saturating_mul(TOKEN_CHARS);
        // Bytes are no fewer than characters.
        if text.len() <= chars_max || text.chars().count() <= chars_max {
            return Self { text, is_cut: false };
        }
        Self { text: text.chars().take(chars_max).collect(), is_cut: true }
    }
}

/// The stage that a service which knows no schemas names in its prompt, as `[[stage 2]]`.
fn marked_stage(body: &Value) -> Option<usize> {
    let prompt = body["messages"][0]["content"].as_str().filter(|_| body.get("response_format").is_none())?;
    let number = prompt.strip_prefix("[[stage ")?.get(..1)?;
    number.parse().ok().filter(|stage| (1..=4).contains(stage))
}

fn text(state: &State, body: &Value, wrapping: Wrapping) -> String {
    if let Some(stage) = marked_stage(body) {
        return format!("What was found:\n\n```json\n{}\n```\n", answers::typical(stage));
    }
    let prompt = Prompt::of(body);
    let ignored = matches!(state.options.provider, Provider::Ignoring | Provider::NoParameters);
    let sent = sent_schema(body).filter(|_| !ignored);
    let stated = prompt.schema(&state.schemas);
    let Some(schema) = sent.or(stated.as_deref()) else {
        return "I have read the material, and nothing says in which form to answer.".to_owned();
    };
    let author = Author::new(schema, stated.as_deref(), &prompt, state.options.seed);
    let mut value = author.breaking(broken(state, schema)).write();
    spoil(&mut value, wrapping);
    let text = value.to_string();
    let is_bare = sent.is_some() || body["response_format"]["type"] == "json_object" && !ignored;
    match wrapping {
        // Without a decoder a model writes as it does in a conversation.
        Wrapping::None if !is_bare => {
            format!("Here is the answer:\n\n```json\n{text}\n```\n\nI hope it helps.")
        }
        _ => wrapped(text, wrapping),
    }
}

/// The bound that this answer breaks.
fn broken(state: &State, schema: &Value) -> Option<Bound> {
    let first_of = |key: &str| lock(&state.broken).insert(key.to_owned());
    match state.options.violates {
        Violates::Nothing => None,
        Violates::Always(bound) => Some(bound),
        Violates::Once(bound) => first_of("").then_some(bound),
        Violates::OnceEachStage(bound) => first_of(stage_of(schema)).then_some(bound),
    }
}

/// Makes the value itself wrong.
fn spoil(value: &mut Value, wrapping: Wrapping) {
    match wrapping {
        Wrapping::MadeUpQuote => {
            if let Some(quote) = value.pointer_mut("/inspirations/0/evidence/0/quote") {
                *quote = json!("Nobody ever wrote this sentence into any document.");
            }
        }
        Wrapping::SchemaInvalid => {
            if let Some(first) = value.as_object_mut().and_then(|fields| fields.values_mut().next()) {
                *first = json!({"not": "what was asked for"});
            }
        }
        _ => {}
    }
}

fn wrapped(text: String, wrapping: Wrapping) -> String {
    match wrapping {
        Wrapping::LeadingNewlines => format!("\n\n\n  {text}\n"),
        Wrapping::CodeFence => format!("```json\n{text}\n```"),
        Wrapping::AfterProse => format!("Here is the object you asked for:\n\n{text}\n\nI hope it helps."),
        Wrapping::TruncatedContent => text.chars().take(text.chars().count() * 2 / 3).collect(),
        Wrapping::ByteOrderMark => format!("\u{FEFF}{text}"),
        Wrapping::AfterDraft => {
            let draft = text.replace(" a", " another").replace(" the", " the drafted");
            format!("<think>A first try:\n{draft}\nThat is too vague.</think>\n\n{text}")
        }
        _ => text,
    }
}
