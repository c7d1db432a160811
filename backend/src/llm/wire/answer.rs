//! Collects the parts of a reply from one body or from many events.

use pipeline::llm::{Oddities, Oddity, ReplyParts};
use serde_json::Value;

use super::{
    error_body,
    finish::{self, End},
    message::Message,
    path::at,
    reply::Reply,
    usage::Stated,
};
use crate::llm::fault::{Failure, Fault, Upstream};

/// The finish reasons of the wire format itself.
const USUAL_REASONS: [&str; 6] = ["stop", "length", "content_filter", "tool_calls", "function_call", "error"];

/// The parts of a reply that have arrived.
#[derive(Debug, Default)]
pub(super) struct Answer {
    deltas: Message,
    /// Whole messages: of a body, or in addition to the deltas of a stream.
    message: Message,
    has_deltas: bool,
    /// The followed choice. Endpoints may send several.
    choice: Option<u64>,
    finish: Option<(End, String)>,
    /// Whether text came after a finish reason. Then the endpoint sends a reason with every chunk, and it
    /// means nothing.
    reason_is_routine: bool,
    model: Option<String>,
    provider: Option<String>,
    generation_id: Option<String>,
    pub(super) stated: Stated,
    error: Option<Upstream>,
    /// Whether anything was a chat completion.
    pub(super) is_recognised: bool,
    /// Whether a piece of JSON could not be parsed, so that the text may lack it.
    pub(super) has_hole: bool,
    /// Whether the reply ended properly: by its end mark, or with the body.
    pub(super) has_proper_end: bool,
    pub(super) oddities: Oddities,
}

impl Answer {
    /// Whether the model has finished its answer.
    pub(super) fn has_finish_reason(&self) -> bool {
        self.finish.is_some() && (!self.reason_is_routine || self.has_usage())
    }

    /// Whether the endpoint has stated the usage, which comes last.
    pub(super) fn has_usage(&self) -> bool {
        !self.stated.is_blank()
    }

    /// Whether no part of a model's stream has arrived.
    pub(super) fn is_untouched(&self) -> bool {
        !self.is_recognised && !self.has_usage() && self.oddities.is_empty()
    }

    /// Whether an error has arrived.
    pub(super) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// Reads one JSON value: a body, a chunk, or a list of them. `name` is the event's name.
    pub(super) fn absorb(&mut self, value: &Value, name: Option<&str>) {
        match value {
            Value::Array(list) => list.iter().for_each(|value| self.absorb(value, name)),
            Value::Object(_) => self.absorb_object(value, name),
            Value::String(_) if name == Some("error") => self.absorb_error(value),
            Value::String(_) => self.oddities.insert(Oddity::Heartbeat),
            _ => self.oddities.insert(Oddity::UnknownEvent),
        }
    }

    /// Reads an error. The first one counts.
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
        for name in ["data", "result", "response"] {
            // Some gateways wrap the completion in an envelope.
            if let Some(inner) = chunk.get(name).filter(|inner| inner.get("choices").is_some()) {
                return self.absorb_object(inner, None);
            }
        }
        self.stated.absorb(chunk);
        for (known, key) in
            [(&mut self.generation_id, "id"), (&mut self.model, "model"), (&mut self.provider, "provider")]
        {
            // Every event of a stream repeats them.
            let text = chunk.get(key).and_then(Value::as_str).filter(|text| known.as_deref() != Some(*text));
            *known = text.map(label).filter(|text| !text.is_empty()).or_else(|| known.take());
        }
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
        // Follow the first choice with content.
        let says_nothing = self.deltas.is_blank() && self.message.is_blank();
        if says_nothing || self.choice.is_none() {
            self.choice = Some(index);
        }
        if self.choice != Some(index) {
            return;
        }
        let length_before = self.deltas.length();
        let had_reason = self.finish.is_some();
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
        let delta_says_nothing = self.deltas.length() == length_before;
        if let (true, None, Some(text)) =
            (delta_says_nothing, message, choice.get("text").and_then(Value::as_str))
        {
            self.deltas.content.push_str(text);
        }
        self.reason_is_routine |= had_reason && self.deltas.length() > length_before;
        for key in ["/finish_reason", "/finishReason", "/native_finish_reason", "/incomplete_details/reason"]
        {
            self.absorb_reason(at(choice, key));
        }
        // For vLLM, it is the string at which the model stopped.
        if self.finish.is_none() {
            self.absorb_reason(choice.get("stop_reason"));
        }
    }

    /// Keeps the most severe reason. A provider's own word may be more exact than its translation.
    fn absorb_reason(&mut self, reason: Option<&Value>) {
        let reason = reason.and_then(|reason| reason.as_str().or_else(|| reason.get("type")?.as_str()));
        let is_word = |word: &String| !word.is_empty() && !word.eq_ignore_ascii_case("null");
        let Some(word) = reason.map(label).filter(is_word) else { return };
        let end = finish::classify(&word);
        let severity = |end: End| if end == End::Unknown { None } else { Some(end) };
        if self.finish.as_ref().is_none_or(|(known, _)| severity(end) > severity(*known)) {
            self.finish = Some((end, word));
        }
    }

    /// The parts as a reply that is not judged yet.
    pub(super) fn reply(&mut self) -> Reply {
        let mut message = std::mem::take(&mut self.deltas);
        let whole = std::mem::take(&mut self.message);
        if let Some(text) = std::mem::take(&mut message.pieces).whole() {
            self.oddities.insert(Oddity::MessageBesideDelta);
            message.content = text;
        }
        let has_whole = !whole.content.trim().is_empty();
        if has_whole && (self.has_hole || message.content.trim().is_empty()) {
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
            refusal: Some(join(message.refusal)).filter(|words| !is_null_word(words)).unwrap_or_default(),
            model: self.model.take(),
            provider: self.provider.take(),
            generation_id: self.generation_id.take(),
            finish_reason: self.finish.as_ref().map(|(end, word)| match end {
                End::Stop => "stop".to_owned(),
                _ => word.to_lowercase(),
            }),
            is_finished: match &self.finish {
                Some((End::Stop, _)) => !self.reason_is_routine || self.has_proper_end || self.has_usage(),
                Some(_) => false,
                None => self.has_proper_end,
            },
            usage: self.stated.usage(),
            oddities: self.oddities,
        }
    }

    /// Judges the parts: limits and filters first, because such an answer is never complete. Errors and
    /// content follow.
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
            // The answer was charged, whether the endpoint says so or not.
            return Err(Failure { fault, usage: self.stated.usage(), partial: None });
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

    /// The failure of a request, with its costs and the parts that arrived before it.
    pub(super) fn failure(mut self, fault: Fault) -> Failure {
        let reply = self.reply();
        self.failure_with(fault, reply)
    }

    fn failure_with(&self, fault: Fault, reply: Reply) -> Failure {
        // With a hole in its text, the answer is not the model's.
        let partial = (!self.has_hole && !reply.parts.is_blank()).then(|| Box::new(reply));
        Failure { fault, usage: self.owed(), partial }
    }

    /// The stated cost of a failed request.
    fn owed(&self) -> pipeline::llm::Usage {
        if self.stated.is_blank() { pipeline::llm::Usage::default() } else { self.stated.usage() }
    }
}

/// Whether an object without choices is an error: by its event's name, or in the form of Anthropic, vLLM or a
/// proxy.
fn is_error_object(chunk: &Value, name: Option<&str>) -> bool {
    let says = |key: &str| chunk.get(key).and_then(Value::as_str) == Some("error");
    let code = chunk.get("code").or_else(|| chunk.get("status")).and_then(Value::as_u64);
    let is_coded = code.is_some_and(|code| code >= 400) && chunk.get("message").is_some_and(Value::is_string);
    name == Some("error") || says("type") || says("object") || is_coded || chunk.get("base_resp").is_some()
}

/// Whether a text means null. Some servers print the null of their language.
fn is_null_word(text: &str) -> bool {
    matches!(text.trim(), "None" | "null" | "nil")
}

/// A name from outside, cleaned for records: one line, at most 100 characters.
pub(super) fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect::<String>().trim().to_owned()
}
