//! Decodes the reply: a chat completion as one JSON body or as a stream of events.
//!
//! The bytes decide, and not the content type: some endpoints ignore `stream`, and proxies answer 200 with a
//! page. Unknown and missing fields are tolerated, and a field of an unexpected type counts as missing. All
//! functions are pure, and no input makes them panic.

use pipeline::{
    llm::{Oddities, Oddity},
    tolerant_json::{self, Values},
};
use serde_json::Value;

use self::answer::Answer;
use super::{
    fault::{Failure, Fault},
    sse::{Event, Events},
};

pub use error_body::decode_error;
pub use reply::Reply;

mod answer;
mod error_body;
mod finish;
mod message;
mod path;
pub(super) mod reply;
mod usage;

/// Decodes a whole body of at most `bytes_max` bytes, for tests and fuzzing. The client uses a [`Decoder`].
///
/// # Errors
///
/// As [`Decoder::finish`].
pub fn decode(body: &[u8], bytes_max: usize) -> Result<Reply, Failure> {
    let mut decoder = Decoder::new(bytes_max);
    match decoder.push(body) {
        Ok(_) => decoder.finish(),
        Err(fault) => Err(decoder.failure(fault)),
    }
}

/// Decodes a body piece by piece.
#[derive(Debug)]
pub struct Decoder {
    bytes_max: usize,
    bytes_seen: usize,
    body: Body,
    answer: Answer,
    /// `[DONE]` or an error has arrived.
    is_done: bool,
}

#[derive(Debug)]
enum Body {
    /// Only white space and perhaps the beginning of a word so far.
    Undecided(Vec<u8>),
    Json(Vec<u8>),
    Stream(Events),
}

impl Decoder {
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes_seen: 0,
            body: Body::Undecided(Vec::new()),
            answer: Answer::default(),
            is_done: false,
        }
    }

    /// Reads the next bytes. True when the answer is complete and the rest need not be read.
    ///
    /// # Errors
    ///
    /// [`Fault::TooLarge`] beyond the limit, or [`Fault::NotAnAnswer`] for a body that is not a reply.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        self.bytes_seen = self.bytes_seen.saturating_add(bytes.len());
        if self.bytes_seen > self.bytes_max {
            return Err(Fault::TooLarge(self.bytes_max));
        }
        match &mut self.body {
            Body::Undecided(start) => {
                start.extend_from_slice(bytes);
                match sniff(start, &mut self.answer.oddities) {
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
        let Self { body: Body::Stream(events), answer, is_done, .. } = self else {
            return Ok(false);
        };
        events.push(bytes, |event| {
            *is_done = absorb_event(answer, event);
            !*is_done
        });
        Ok(self.is_done)
    }

    /// Reads the cost from a response's header.
    pub fn absorb_cost_header(&mut self, value: &str) {
        self.answer.stated.absorb_cost_header(value);
    }

    /// Whether the model has finished its answer, even if the stream has not ended properly yet.
    #[must_use]
    pub fn has_finish_reason(&self) -> bool {
        self.answer.has_finish_reason()
    }

    /// Judges the parts at the end of the body.
    ///
    /// # Errors
    ///
    /// Why it is not an answer, with the parts that had arrived. They may hold a complete answer.
    pub fn finish(mut self) -> Result<Reply, Failure> {
        match self.take_rest() {
            Ok(()) => self.answer.judge(),
            Err(fault) => Err(self.answer.failure(fault)),
        }
    }

    fn take_rest(&mut self) -> Result<(), Fault> {
        match std::mem::replace(&mut self.body, Body::Undecided(Vec::new())) {
            Body::Undecided(start) if start.iter().all(u8::is_ascii_whitespace) => {
                Err(Fault::NotAnAnswer("an empty body"))
            }
            Body::Undecided(_) => Err(Fault::NotAnAnswer(TEXT)),
            Body::Json(body) => self.take_json(&body),
            Body::Stream(mut events) if !self.is_done => {
                let answer = &mut self.answer;
                // An incomplete last event does not invalidate an answer that was complete before it.
                let had_hole = answer.has_hole;
                events.finish(|event| !absorb_event(answer, event));
                answer.has_hole = had_hole;
                if answer.has_proper_end || answer.has_finish_reason() || answer.has_error() {
                    Ok(())
                } else if answer.is_untouched() {
                    Err(Fault::NotAnAnswer(TEXT))
                } else {
                    Err(Fault::CutOff)
                }
            }
            Body::Stream(_) => Ok(()),
        }
    }

    /// Whether the answer is complete although the stream has not ended.
    #[must_use]
    pub fn has_everything(&self) -> bool {
        self.answer.has_finish_reason() && self.answer.has_usage()
    }

    fn take_json(&mut self, body: &[u8]) -> Result<(), Fault> {
        let answer = &mut self.answer;
        let Values { values, rest } = tolerant_json::values(body, &mut answer.oddities);
        match &rest {
            Some(rest) if values.is_empty() && rest.is_cut_off => return Err(Fault::CutOff),
            Some(_) if values.is_empty() => return Err(Fault::NotAnAnswer(BROKEN_JSON)),
            _ => {}
        }
        values.iter().for_each(|value| answer.absorb(value, None));
        if !answer.is_recognised && !answer.has_error() {
            // An error whose form only its message shows.
            values.iter().for_each(|value| answer.absorb_error(value));
        }
        if let Some(rest) = &rest {
            answer.oddities.insert(Oddity::SeveralValues);
            // Lines of JSON may continue. An end mark, or anything after the model's last word, invalidates
            // nothing.
            answer.has_hole |= !rest.text.contains("[DONE]") && !answer.has_finish_reason();
        }
        answer.has_proper_end = true;
        if answer.is_recognised || answer.has_error() {
            Ok(())
        } else {
            Err(Fault::NotAnAnswer("JSON that is no chat completion"))
        }
    }

    /// The failure of this request, with its costs and the parts that arrived.
    #[must_use]
    pub fn failure(self, fault: Fault) -> Failure {
        self.answer.failure(fault)
    }
}

/// Reads one event. True when nothing more will come.
fn absorb_event(answer: &mut Answer, event: Event<'_>) -> bool {
    let Event::Data { name, data } = event else {
        answer.oddities.insert(Oddity::Comment);
        return false;
    };
    if !absorb_data(answer, name, data) {
        // Some relays separate events by one line end, so each line may be an event.
        let lines = data.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        for line in lines {
            if !absorb_data(answer, name, line) {
                absorb_broken(answer, name, line);
            }
        }
    }
    // Nothing after an error belongs to the answer.
    answer.has_proper_end || answer.has_error()
}

/// Reads data that is valid JSON. False otherwise.
fn absorb_data(answer: &mut Answer, name: Option<&str>, data: &[u8]) -> bool {
    let mut data = data.trim_ascii();
    while let Some(inner) = data.strip_prefix(BOM).or_else(|| data.strip_prefix(b"data:")) {
        data = inner.trim_ascii();
    }
    if data.eq_ignore_ascii_case(b"[DONE]") {
        answer.has_proper_end = true;
        return true;
    }
    if data.is_empty() {
        answer.oddities.insert(Oddity::EmptyEvent);
        return true;
    }
    let mut oddities = answer.oddities;
    let Values { values, rest } = tolerant_json::values(data, &mut oddities);
    if rest.is_some() {
        return false;
    }
    answer.oddities = oddities;
    values.iter().for_each(|value| answer.absorb(value, name));
    true
}

/// Reads data that is not JSON: a relay's word, an error in words, or a lost piece of the answer.
fn absorb_broken(answer: &mut Answer, name: Option<&str>, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let is_piece = text.trim_start().starts_with(['{', '[']) || text.contains("\"choices\"");
    match name {
        _ if answer.has_finish_reason() => answer.oddities.insert(Oddity::UnknownEvent),
        Some("error") => answer.absorb_error(&Value::String(text.into_owned())),
        _ if is_piece => answer.has_hole = true,
        _ => answer.oddities.insert(Oddity::Heartbeat),
    }
}

const TEXT: &str = "text that is neither JSON nor an event stream";
const BOM: &[u8] = b"\xEF\xBB\xBF";
const BROKEN_JSON: &str = "broken JSON";

enum Sniffed {
    More,
    Json,
    Stream,
    Other(&'static str),
}

/// Recognises the kind of a body by its first bytes. Drops leading white space, by which endpoints keep a
/// connection alive.
fn sniff(start: &mut Vec<u8>, oddities: &mut Oddities) -> Sniffed {
    /// The first words of lines in an event stream.
    const FIELDS: [&[u8]; 5] = [b"data", b"event", b"id", b"retry", b":"];
    let blank = start.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    start.drain(..blank);
    if start.starts_with(BOM) {
        oddities.insert(Oddity::ByteOrderMark);
        start.drain(..BOM.len());
    }
    match start.first() {
        None => Sniffed::More,
        Some(b'{' | b'[' | b'"') => Sniffed::Json,
        Some(b'<') => Sniffed::Other("an HTML page"),
        Some(_) if FIELDS.iter().any(|field| start.starts_with(field)) => Sniffed::Stream,
        Some(_) if FIELDS.iter().any(|field| field.starts_with(start)) || BOM.starts_with(start) => {
            Sniffed::More
        }
        Some(_) => unknown_line(start),
    }
}

/// Recognises an undefined field at the start of a stream, such as `ping: 1`: a short name alone on its line,
/// or before a colon.
fn unknown_line(start: &[u8]) -> Sniffed {
    const NAME_BYTES_MAX: usize = 32;
    let name =
        start.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count();
    match start.get(name) {
        _ if name == 0 || name > NAME_BYTES_MAX => Sniffed::Other(TEXT),
        None => Sniffed::More,
        Some(b'\n' | b'\r' | b':') => Sniffed::Stream,
        Some(_) => Sniffed::Other(TEXT),
    }
}

#[cfg(test)]
mod tests;
