//! Collects one message of a reply from its pieces.

use std::collections::BTreeMap;

use pipeline::llm::{Oddities, Oddity};
use serde_json::Value;

use super::path::at;

/// The members that hold the model's reasoning. OpenRouter sends the same text in two of them, and only one
/// is read.
const REASONING: [&str; 4] = ["reasoning", "reasoning_content", "thinking", "thoughts"];

/// One collected message.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) content: String,
    pub(super) pieces: Pieces,
    pub(super) reasoning: String,
    pub(super) refusal: String,
    pub(super) tool_calls: BTreeMap<u64, String>,
}

/// Detects cumulative pieces: some endpoints send the whole text so far in each piece.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    count: usize,
    first_length: usize,
    last: String,
    is_broken: bool,
}

impl Pieces {
    /// Two long pieces, or three of any length. No text repeats its own beginning that often by chance.
    const LONG: usize = 16;

    pub(super) fn note(&mut self, piece: &str) {
        if piece.is_empty() || self.is_broken {
            return;
        }
        if self.count == 0 {
            self.first_length = piece.len();
        } else if !piece.starts_with(&self.last) {
            *self = Self { is_broken: true, ..Self::default() };
            return;
        }
        self.count += 1;
        piece.clone_into(&mut self.last);
    }

    /// The whole text, if the pieces are cumulative.
    pub(super) fn whole(self) -> Option<String> {
        let repeats = self.count >= 3 || (self.count == 2 && self.first_length >= Self::LONG);
        (!self.is_broken && repeats && self.last.len() > self.first_length).then_some(self.last)
    }
}

impl Message {
    pub(super) fn is_blank(&self) -> bool {
        self.length() == 0
    }

    pub(super) fn length(&self) -> usize {
        let calls: usize = self.tool_calls.values().map(String::len).sum();
        self.content.len() + self.reasoning.len() + self.refusal.len() + calls
    }

    pub(super) fn absorb(&mut self, message: &Value, oddities: &mut Oddities) {
        match message.get("content") {
            Some(Value::String(text)) => self.content.push_str(text),
            Some(Value::Array(parts)) => {
                oddities.insert(Oddity::ContentParts);
                parts.iter().for_each(|part| self.absorb_part(part));
            }
            // Some endpoints parse the model's text.
            Some(parsed @ Value::Object(_)) => {
                oddities.insert(Oddity::ContentParts);
                match parsed.get("text").and_then(Value::as_str) {
                    Some(text) => self.content.push_str(text),
                    None => self.content.push_str(&parsed.to_string()),
                }
            }
            // Some client helpers add the parsed answer to an empty content.
            _ => {
                if let Some(parsed) = message.get("parsed").filter(|parsed| parsed.is_object()) {
                    oddities.insert(Oddity::ContentParts);
                    self.content.push_str(&parsed.to_string());
                }
            }
        }
        if let Some(text) =
            REASONING.into_iter().filter_map(|key| text_of(message.get(key)?)).find(|t| !t.is_empty())
        {
            self.reasoning.push_str(&text);
        } else if let Some(details) = message.get("reasoning_details").and_then(text_of) {
            self.reasoning.push_str(&details);
        }
        self.refusal.push_str(message.get("refusal").and_then(Value::as_str).unwrap_or_default());
        for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let stated = call.get("index").and_then(Value::as_u64);
            // A piece without index, id and name continues the call before it.
            let begins = call.get("id").is_some() || at(call, "/function/name").is_some();
            let calls = self.tool_calls.len() as u64;
            let index = stated.unwrap_or(if begins { calls } else { calls.saturating_sub(1) });
            self.absorb_call(index, at(call, "/function/arguments").or_else(|| call.get("arguments")));
        }
        // The older form of a single call. Some endpoints send both.
        if message.get("tool_calls").is_none() {
            self.absorb_call(0, at(message, "/function_call/arguments"));
        }
    }

    /// Reads one part of a list of contents, in the forms of OpenAI, Anthropic and Mistral.
    fn absorb_part(&mut self, part: &Value) {
        let text = || part.get("text").and_then(text_of).unwrap_or_default();
        if part.get("thought") == Some(&Value::Bool(true)) {
            self.reasoning.push_str(&text());
            return;
        }
        match part.get("type").and_then(Value::as_str) {
            Some("json") => {
                let json = part.get("json").or_else(|| part.get("value")).filter(|json| json.is_object());
                self.content.push_str(&json.map(ToString::to_string).unwrap_or_default());
            }
            Some("thinking" | "reasoning") => {
                let thought = part.get("thinking").and_then(text_of).unwrap_or_else(text);
                self.reasoning.push_str(&thought);
            }
            Some("refusal") => {
                self.refusal.push_str(part.get("refusal").and_then(Value::as_str).unwrap_or_default())
            }
            Some("tool_use") => {
                let index = self.tool_calls.len() as u64;
                self.absorb_call(index, part.get("input"));
            }
            _ => self.content.push_str(part.as_str().unwrap_or(&text())),
        }
    }

    fn absorb_call(&mut self, index: u64, arguments: Option<&Value>) {
        /// More calls than any reply of a stage holds, so further ones cannot be its answer.
        const CALLS_MAX: usize = 16;
        let arguments = match arguments {
            Some(Value::String(piece)) => piece.clone(),
            Some(object @ Value::Object(_)) => object.to_string(),
            _ => return,
        };
        if self.tool_calls.len() < CALLS_MAX || self.tool_calls.contains_key(&index) {
            self.tool_calls.entry(index).or_default().push_str(&arguments);
        }
    }

    /// A whole message replaces an earlier one that it repeats. Otherwise it is the next piece.
    pub(super) fn follow(&mut self, next: Self) {
        if next.content.starts_with(&self.content) && next.reasoning.starts_with(&self.reasoning) {
            *self = next;
            return;
        }
        self.content.push_str(&next.content);
        self.reasoning.push_str(&next.reasoning);
        self.refusal.push_str(&next.refusal);
        self.tool_calls.extend(next.tool_calls);
    }
}

/// The text of a value: the value itself, or the texts of its parts.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(text_of).collect()),
        Value::Object(part) => {
            ["text", "summary", "value"].into_iter().find_map(|key| text_of(part.get(key)?))
        }
        _ => None,
    }
}
