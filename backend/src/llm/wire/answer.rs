//! The parts of a reply, gathered from one body or many events.

use std::collections::BTreeMap;

use pipeline::llm::{Oddities, Oddity, ReplyParts};
use serde_json::Value;

use super::{
    Reply, error_body,
    finish::{self, End},
    usage::Stated,
};
use crate::llm::fault::{Failure, Fault, Upstream};

/// Where messages keep what the model thought. OpenRouter sends the same text in two of them: only one is read.
const REASONING: [&str; 4] = ["reasoning", "reasoning_content", "thinking", "thoughts"];

/// The finish reasons of the wire format itself.
const USUAL_REASONS: [&str; 6] = ["stop", "length", "content_filter", "tool_calls", "function_call", "error"];

/// The parts of a reply that have arrived.
#[derive(Debug, Default)]
pub(super) struct Answer {
    deltas: Message,
    /// Whole messages: of a body, or beside the deltas of a stream.
    message: Message,
    has_deltas: bool,
    /// The choice that is followed; endpoints may send several.
    choice: Option<u64>,
    finish: Option<(End, String)>,
    model: Option<String>,
    provider: Option<String>,
    generation_id: Option<String>,
    pub(super) stated: Stated,
    error: Option<Upstream>,
    /// Whether anything was a chat completion.
    pub(super) is_recognised: bool,
    /// Whether a piece of JSON could not be read: the text may lack it.
    pub(super) has_hole: bool,
    pub(super) oddities: Oddities,
}

/// One message, gathered.
#[derive(Debug, Default)]
struct Message {
    content: String,
    pieces: Pieces,
    reasoning: String,
    refusal: String,
    tool_calls: BTreeMap<u64, String>,
}

/// Whether the pieces of a content are each the whole text so far, as some endpoints send them.
#[derive(Debug, Default)]
struct Pieces {
    count: usize,
    first_length: usize,
    last: String,
    is_broken: bool,
}

impl Pieces {
    /// Two long pieces, or three of any length: nobody says the same beginning again by chance.
    const LONG: usize = 16;

    fn note(&mut self, piece: &str) {
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
    fn whole(self) -> Option<String> {
        let repeats = self.count >= 3 || (self.count == 2 && self.first_length >= Self::LONG);
        (!self.is_broken && repeats && self.last.len() > self.first_length).then_some(self.last)
    }
}

impl Answer {
    /// Whether the model has said all it wanted to.
    pub(super) fn has_finish_reason(&self) -> bool {
        self.finish.is_some()
    }

    /// Whether an error has arrived.
    pub(super) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// Takes in one JSON value: a body, a chunk, or a list of them. `name` is the event's.
    pub(super) fn absorb(&mut self, value: &Value, name: Option<&str>) {
        match value {
            Value::Array(list) => list.iter().for_each(|value| self.absorb(value, name)),
            Value::Object(_) => self.absorb_object(value, name),
            Value::String(_) if name == Some("error") => self.absorb_error(value),
            Value::String(_) => self.oddities.insert(Oddity::Heartbeat),
            _ => self.oddities.insert(Oddity::UnknownEvent),
        }
    }

    /// Takes in an error; a first one counts.
    pub(super) fn absorb_error(&mut self, error: &Value) {
        match error_body::real(error) {
            Some(upstream) => {
                self.error.get_or_insert(upstream);
            }
            None if error.is_null() => {}
            None => self.oddities.insert(Oddity::EmptyError),
        }
    }

    fn absorb_object(&mut self, chunk: &Value, name: Option<&str>) {
        self.stated.absorb(chunk);
        let text =
            |key: &str| chunk.get(key).and_then(Value::as_str).map(label).filter(|text| !text.is_empty());
        self.generation_id = text("id").or_else(|| self.generation_id.take());
        self.model = text("model").or_else(|| self.model.take());
        self.provider = text("provider").or_else(|| self.provider.take());
        if let Some(error) = chunk.get("error") {
            self.absorb_error(if error == &Value::Bool(true) { chunk } else { error });
        }
        match chunk.get("choices") {
            Some(Value::Array(choices)) => {
                self.is_recognised = true;
                choices.iter().for_each(|choice| self.absorb_choice(choice));
            }
            _ if chunk.get("error").is_some() || chunk.get("usage").is_some_and(Value::is_object) => {}
            _ if is_error_object(chunk, name) => self.absorb_error(chunk),
            _ => self.oddities.insert(Oddity::UnknownEvent),
        }
    }

    fn absorb_choice(&mut self, choice: &Value) {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
        if *self.choice.get_or_insert(index) != index {
            return;
        }
        if let Some(error) = choice.get("error") {
            self.absorb_error(error);
        }
        let delta = choice.get("delta").filter(|delta| delta.is_object());
        let message = choice.get("message").filter(|message| message.is_object());
        if let Some(delta) = delta {
            self.has_deltas = true;
            let before = self.deltas.content.len();
            self.deltas.absorb(delta, &mut self.oddities);
            self.deltas.pieces.note(self.deltas.content.get(before..).unwrap_or_default());
        }
        if let Some(message) = message {
            if self.has_deltas {
                self.oddities.insert(Oddity::MessageBesideDelta);
            }
            let mut whole = Message::default();
            whole.absorb(message, &mut self.oddities);
            self.message.follow(whole);
        }
        if let (None, None, Some(text)) = (delta, message, choice.get("text").and_then(Value::as_str)) {
            self.deltas.content.push_str(text);
        }
        for key in ["/finish_reason", "/native_finish_reason", "/stop_reason", "/incomplete_details/reason"] {
            self.absorb_reason(choice.pointer(key));
        }
    }

    /// The most severe reason counts: a provider's own word may say more than the one it was translated to.
    fn absorb_reason(&mut self, reason: Option<&Value>) {
        let reason = reason.and_then(|reason| reason.as_str().or_else(|| reason.get("type")?.as_str()));
        let Some(word) = reason.map(label).filter(|word| !word.is_empty()) else { return };
        let end = finish::classify(&word);
        let severity = |end: End| if end == End::Unknown { None } else { Some(end) };
        if self.finish.as_ref().is_none_or(|(known, _)| severity(end) > severity(*known)) {
            self.finish = Some((end, word));
        }
    }

    /// The parts as a reply, not judged yet.
    pub(super) fn reply(&mut self) -> Reply {
        let mut message = std::mem::take(&mut self.deltas);
        let whole = std::mem::take(&mut self.message);
        if let Some(text) = std::mem::take(&mut message.pieces).whole() {
            self.oddities.insert(Oddity::MessageBesideDelta);
            message.content = text;
        }
        if message.content.trim().is_empty() || (self.has_hole && !whole.content.trim().is_empty()) {
            message.content = whole.content;
            self.has_hole = false;
        }
        if message.reasoning.trim().is_empty() {
            message.reasoning = whole.reasoning;
        }
        if message.tool_calls.is_empty() {
            message.tool_calls = whole.tool_calls;
        }
        if message.refusal.trim().is_empty() {
            message.refusal = whole.refusal;
        }
        let join = pipeline::tolerant_json::join;
        match &self.finish {
            None => self.oddities.insert(Oddity::MissingEnd),
            Some((_, word)) if !USUAL_REASONS.contains(&word.as_str()) => {
                self.oddities.insert(Oddity::FinishReason);
            }
            Some(_) => {}
        }
        Reply {
            parts: ReplyParts {
                content: join(message.content),
                tool_calls: message.tool_calls.into_values().map(join).collect(),
                reasoning: join(message.reasoning),
            },
            refusal: join(message.refusal),
            model: self.model.take(),
            provider: self.provider.take(),
            generation_id: self.generation_id.take(),
            finish_reason: self.finish.as_ref().map(|(end, word)| match end {
                End::Stop => "stop".to_owned(),
                _ => word.to_lowercase(),
            }),
            usage: self.stated.usage(),
            oddities: self.oddities,
        }
    }

    /// Judges what has arrived: limits and filters first (such an answer is never complete), then errors, then content.
    pub(super) fn judge(mut self) -> Result<Reply, Failure> {
        let reply = self.reply();
        let end = self.finish.as_ref().map(|(end, _)| *end);
        let fault = match end {
            Some(End::Truncated) => Some(Fault::LengthLimit),
            Some(End::Refused) if reply.refusal.trim().is_empty() => Some(Fault::ContentFilter),
            Some(End::Refused) => Some(Fault::Refusal(reply.refusal.clone())),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(Failure { fault, usage: self.owed(), partial: None });
        }
        let fault = match (self.error.take(), end) {
            (Some(error), _) => Fault::Upstream(Box::new(error)),
            (None, Some(End::Error)) => Fault::Upstream(Box::new(error_body::unexplained())),
            _ if self.has_hole => Fault::NotAnAnswer("a stream with broken JSON"),
            _ if !reply.refusal.trim().is_empty() => Fault::Refusal(reply.refusal.clone()),
            _ if reply.parts.is_blank() => Fault::EmptyContent,
            _ => return Ok(reply),
        };
        Err(self.failure_with(fault, reply))
    }

    /// The failure of a request, with what it has cost and what had arrived before.
    pub(super) fn failure(mut self, fault: Fault) -> Failure {
        let reply = self.reply();
        self.failure_with(fault, reply)
    }

    fn failure_with(&self, fault: Fault, reply: Reply) -> Failure {
        // An answer with a hole in its text is not the model's.
        let partial = (!self.has_hole && !reply.parts.is_blank()).then(|| Box::new(reply));
        Failure { fault, usage: self.owed(), partial }
    }

    /// The cost of a failed request, as far as it was stated.
    fn owed(&self) -> pipeline::llm::Usage {
        if self.stated.is_blank() { pipeline::llm::Usage::default() } else { self.stated.usage() }
    }
}

impl Message {
    fn absorb(&mut self, message: &Value, oddities: &mut Oddities) {
        match message.get("content") {
            Some(Value::String(text)) => self.content.push_str(text),
            Some(Value::Array(parts)) => {
                oddities.insert(Oddity::ContentParts);
                parts.iter().for_each(|part| self.absorb_part(part));
            }
            // Some endpoints parse what the model wrote.
            Some(parsed @ Value::Object(_)) => {
                oddities.insert(Oddity::ContentParts);
                match parsed.get("text").and_then(Value::as_str) {
                    Some(text) => self.content.push_str(text),
                    None => self.content.push_str(&parsed.to_string()),
                }
            }
            _ => {}
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
            let index = call.get("index").and_then(Value::as_u64).unwrap_or(self.tool_calls.len() as u64);
            self.absorb_call(index, call.pointer("/function/arguments").or_else(|| call.get("arguments")));
        }
        self.absorb_call(0, message.pointer("/function_call/arguments"));
    }

    /// One part of a list of contents, in the shapes of OpenAI, Anthropic and Mistral.
    fn absorb_part(&mut self, part: &Value) {
        let text = || part.get("text").and_then(text_of).unwrap_or_default();
        match part.get("type").and_then(Value::as_str) {
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
        /// More calls than any reply of a stage holds; the rest cannot be its answer.
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

    /// A whole message replaces an earlier one that it repeats; else it is the next piece.
    fn follow(&mut self, next: Self) {
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

/// The text of a value: itself, or the texts of its parts.
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

/// Whether an object without choices is an error: by its event's name, or in the shape of Anthropic, vLLM or a proxy.
fn is_error_object(chunk: &Value, name: Option<&str>) -> bool {
    let says = |key: &str| chunk.get(key).and_then(Value::as_str) == Some("error");
    name == Some("error") || says("type") || says("object")
}

/// A name from outside, fit for records: one line, at most 100 characters.
pub(super) fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect::<String>().trim().to_owned()
}
