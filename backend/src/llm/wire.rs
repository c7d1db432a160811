//! What comes back: a chat completion as one JSON body or as a stream of events, judged by its bytes.
//!
//! The content type is not believed, only the content: some endpoints ignore `stream`, proxies answer 200 with a
//! page. Unknown fields and values are taken, missing ones too; a field of an unexpected type counts as missing.
//! All of it is pure, and no input makes it panic.

use pipeline::llm::Usage;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::{
    fault::{Failure, Fault},
    sse::Events,
};

pub use error_body::decode_error;

mod error_body;

/// A model's answer as one request brought it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Not blank; as the model wrote it.
    pub text: String,
    pub model: Option<String>,
    pub provider: Option<String>,
    pub generation_id: Option<String>,
    /// Why the model stopped. `stop`, or a word that is not known here, or none.
    pub finish_reason: Option<String>,
    pub usage: Usage,
}

/// Reads a whole body at once, of at most `bytes_max` bytes. For tests and fuzzing; the client feeds a [`Decoder`].
pub fn decode(body: &[u8], bytes_max: usize) -> Result<Reply, Failure> {
    let mut decoder = Decoder::new(bytes_max);
    match decoder.push(body) {
        Ok(_) => decoder.finish(),
        Err(fault) => Err(decoder.failure(fault)),
    }
}

/// Takes in a body piece by piece.
#[derive(Debug)]
pub struct Decoder {
    bytes_max: usize,
    bytes_seen: usize,
    body: Body,
    answer: Answer,
}

#[derive(Debug)]
enum Body {
    /// Nothing but white space and perhaps the beginning of a word so far.
    Undecided(Vec<u8>),
    Json(Vec<u8>),
    Stream(Events),
}

impl Decoder {
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes_seen: 0, body: Body::Undecided(Vec::new()), answer: Answer::default() }
    }

    /// Takes in the next bytes; true when the answer is complete and the rest can be left unread.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        self.bytes_seen = self.bytes_seen.saturating_add(bytes.len());
        if self.bytes_seen > self.bytes_max {
            return Err(Fault::TooLarge(self.bytes_max));
        }
        match &mut self.body {
            Body::Undecided(start) => {
                start.extend_from_slice(bytes);
                match sniff(start) {
                    Sniffed::More => Ok(false),
                    Sniffed::Json => {
                        self.body = Body::Json(std::mem::take(start));
                        Ok(false)
                    }
                    Sniffed::Stream => {
                        let start = std::mem::take(start);
                        self.body = Body::Stream(Events::default());
                        self.push_events(&start)
                    }
                    Sniffed::Other(what) => Err(Fault::NotAnAnswer(what)),
                }
            }
            Body::Json(body) => {
                body.extend_from_slice(bytes);
                Ok(false)
            }
            Body::Stream(_) => self.push_events(bytes),
        }
    }

    fn push_events(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        let Self { body: Body::Stream(events), answer, .. } = self else {
            return Ok(false);
        };
        let mut fault = None;
        events.push(bytes, |data| {
            fault = answer.absorb_event(data).err();
            fault.is_none() && !answer.is_done
        });
        fault.map_or(Ok(answer.is_done), Err)
    }

    /// Whether the model has said all it wanted to, even if the stream has not ended properly yet.
    #[must_use]
    pub fn has_finish_reason(&self) -> bool {
        self.answer.finish_reason.is_some()
    }

    /// Judges what has arrived, at the end of the body.
    pub fn finish(mut self) -> Result<Reply, Failure> {
        match self.take_rest() {
            Ok(()) => {
                let usage = self.answer.usage;
                self.answer.judge().map_err(|fault| Failure { fault, usage })
            }
            Err(fault) => Err(self.failure(fault)),
        }
    }

    fn take_rest(&mut self) -> Result<(), Fault> {
        match std::mem::replace(&mut self.body, Body::Undecided(Vec::new())) {
            Body::Undecided(start) if start.iter().all(u8::is_ascii_whitespace) => {
                Err(Fault::NotAnAnswer("an empty body"))
            }
            Body::Undecided(_) => Err(Fault::NotAnAnswer(TEXT)),
            Body::Json(body) => {
                let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&body);
                match serde_json::from_slice::<Chunk>(body) {
                    Ok(chunk) if chunk.is_blank() => {
                        Err(Fault::NotAnAnswer("JSON that is no chat completion"))
                    }
                    Ok(chunk) => self.answer.absorb(chunk),
                    Err(error) if error.is_eof() => Err(Fault::CutOff),
                    Err(_) => Err(Fault::NotAnAnswer(BROKEN_JSON)),
                }
            }
            Body::Stream(mut events) if !self.answer.is_done => {
                let mut fault = None;
                events.finish(|data| {
                    fault = self.answer.absorb_event(data).err();
                    false
                });
                match fault {
                    // The last event is half an event: what counts is whether the answer was whole before it.
                    Some(Fault::NotAnAnswer(_)) | None if self.answer.is_done || self.has_finish_reason() => {
                        Ok(())
                    }
                    Some(Fault::NotAnAnswer(_)) | None => Err(Fault::CutOff),
                    Some(fault) => Err(fault),
                }
            }
            Body::Stream(_) => Ok(()),
        }
    }

    /// The failure of this request, with what it has cost.
    #[must_use]
    pub fn failure(&self, fault: Fault) -> Failure {
        Failure { fault, usage: self.answer.usage }
    }
}

const TEXT: &str = "text that is neither JSON nor an event stream";
const BROKEN_JSON: &str = "broken JSON";

enum Sniffed {
    More,
    Json,
    Stream,
    Other(&'static str),
}

/// Tells by its first bytes what a body is. Drops leading white space, which endpoints send to keep a connection
/// alive.
fn sniff(start: &mut Vec<u8>) -> Sniffed {
    const BOM: &[u8] = b"\xEF\xBB\xBF";
    /// How event-stream lines begin.
    const FIELDS: [&[u8]; 5] = [b"data", b"event", b"id", b"retry", b":"];
    let blank = start.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    start.drain(..blank);
    if start.starts_with(BOM) {
        start.drain(..BOM.len());
    }
    match start.first() {
        None => Sniffed::More,
        Some(b'{') => Sniffed::Json,
        Some(b'<') => Sniffed::Other("an HTML page"),
        Some(_) if FIELDS.iter().any(|field| start.starts_with(field)) => Sniffed::Stream,
        Some(_) if FIELDS.iter().any(|field| field.starts_with(start)) || BOM.starts_with(start) => {
            Sniffed::More
        }
        Some(_) => Sniffed::Other(TEXT),
    }
}

/// The parts of an answer, gathered from one body or many events.
#[derive(Debug, Default)]
struct Answer {
    text: String,
    refusal: String,
    finish_reason: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    generation_id: Option<String>,
    usage: Usage,
    /// `[DONE]` has arrived.
    is_done: bool,
}

impl Answer {
    fn absorb_event(&mut self, data: &[u8]) -> Result<(), Fault> {
        if data.trim_ascii() == b"[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk =
            serde_json::from_slice(data).map_err(|_| Fault::NotAnAnswer("a stream with broken JSON"))?;
        self.absorb(chunk)
    }

    /// Takes in one chunk; an error in it comes after its usage, which is owed all the same.
    fn absorb(&mut self, chunk: Chunk) -> Result<(), Fault> {
        if let Some(usage) = chunk.usage {
            self.usage = usage.to_usage();
        }
        let label = |text: Option<String>| text.map(|text| label(&text)).filter(|text| !text.is_empty());
        self.generation_id = label(chunk.id).or_else(|| self.generation_id.take());
        self.model = label(chunk.model).or_else(|| self.model.take());
        self.provider = label(chunk.provider).or_else(|| self.provider.take());
        if let Some(error) = &chunk.error {
            return Err(Fault::Upstream(error_body::upstream(error, None)));
        }
        let Some(choice) = chunk.choices.unwrap_or_default().into_iter().find(|c| c.index.unwrap_or(0) == 0)
        else {
            return Ok(());
        };
        if let Some(error) = &choice.error {
            return Err(Fault::Upstream(error_body::upstream(error, None)));
        }
        if let Some(message) = choice.message.or(choice.delta) {
            self.text.push_str(&message.text());
            self.refusal.push_str(message.refusal.as_deref().unwrap_or_default());
        }
        if let Some(reason) = choice.finish_reason {
            self.finish_reason = Some(label_of_reason(&reason));
        }
        Ok(())
    }

    /// Finish reason first, then content.
    fn judge(self) -> Result<Reply, Fault> {
        match self.finish_reason.as_deref() {
            Some("error") => return Err(Fault::Upstream(error_body::unexplained())),
            Some("length") => return Err(Fault::LengthLimit),
            Some("content_filter") => return Err(Fault::ContentFilter),
            _ => {}
        }
        if !self.refusal.trim().is_empty() {
            return Err(Fault::Refusal(self.refusal));
        }
        if self.text.trim().is_empty() {
            return Err(Fault::EmptyContent);
        }
        Ok(Reply {
            text: self.text,
            model: self.model,
            provider: self.provider,
            generation_id: self.generation_id,
            finish_reason: self.finish_reason,
            usage: self.usage,
        })
    }
}

/// A name from outside, fit for records: one line, at most 100 characters.
fn label(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect::<String>().trim().to_owned()
}

/// Finish reasons are compared without case; Gemini's and older OpenAI's spellings differ by it.
fn label_of_reason(reason: &str) -> String {
    label(reason).to_lowercase()
}

/// One body, or the data of one event.
#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    provider: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    choices: Option<Vec<Choice>>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<UsageBody>,
    #[serde(default, deserialize_with = "lenient")]
    error: Option<Value>,
}

impl Chunk {
    fn is_blank(&self) -> bool {
        self.choices.is_none() && self.error.is_none()
    }
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default, deserialize_with = "lenient")]
    index: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    message: Option<Message>,
    #[serde(default, deserialize_with = "lenient")]
    delta: Option<Message>,
    #[serde(default, deserialize_with = "lenient")]
    finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Message {
    /// A text, or a list of parts.
    #[serde(default)]
    content: Value,
    #[serde(default, deserialize_with = "lenient")]
    refusal: Option<String>,
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => {
                parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
            }
            _ => String::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct UsageBody {
    #[serde(default, deserialize_with = "lenient")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    completion_tokens: Option<u64>,
    #[serde(default)]
    cost: Value,
    #[serde(default, deserialize_with = "lenient")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    prompt_tokens_details: Option<PromptTokens>,
}

#[derive(Debug, Deserialize)]
struct PromptTokens {
    #[serde(default, deserialize_with = "lenient")]
    cached_tokens: Option<u64>,
}

impl UsageBody {
    /// Figures beyond anything real are cut, so that sums of them stay finite.
    fn to_usage(&self) -> Usage {
        let tokens = |count: Option<u64>| count.unwrap_or(0).min(u64::from(u32::MAX));
        let cost = match &self.cost {
            Value::String(text) => text.trim().parse().unwrap_or(0.0),
            value => value.as_f64().unwrap_or(0.0),
        };
        let details = self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        Usage {
            prompt_tokens: tokens(self.prompt_tokens),
            completion_tokens: tokens(self.completion_tokens),
            cached_tokens: tokens(details.or(self.cached_tokens)),
            cost_usd: if cost.is_finite() { cost.clamp(0.0, 1e6) } else { 0.0 },
        }
    }
}

/// A value of the expected type, or none: a field that changed its type must not cost an answer that is paid for.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(if value.is_null() { None } else { serde_json::from_value(value).ok() })
}

#[cfg(test)]
mod tests;
