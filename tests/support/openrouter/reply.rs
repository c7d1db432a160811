//! The replies that a script may hold.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

/// A reply to one completion request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A valid answer in some wrapping.
    Answer(Wrapping),
    /// This text, with `finish_reason: "stop"`.
    Content(String),
    /// A choice with this message and this finish reason.
    Choice { message: Value, finish_reason: Value },
    /// A response with this status, these headers and an error body (a text is sent as an HTML page).
    Status { status: u16, headers: Vec<(&'static str, String)>, body: Value },
    /// Any bytes with any content type, and a 200.
    Raw { content_type: &'static str, body: Vec<u8> },
    /// A response that is made from the answer to the request.
    Made(Maker),
    /// A 200 whose body is a top-level error; it costs as much as an answer.
    ErrorInside(Value),
    /// A 200 with an error inside the choice, beside partial content.
    ErrorInChoice(Value),
    /// A stream that breaks off with an error chunk after some content.
    ErrorMidStream(Value),
    /// A stream that ends, properly as HTTP goes, before its finish reason.
    StreamCut,
    /// A JSON body that ends too early, properly as HTTP goes.
    JsonCut,
    /// Half an answer, then a TCP reset.
    ResetMidBody,
    /// A TCP reset instead of any response.
    ResetBeforeHeaders,
    /// A whole answer with its finish reason, then the connection closes instead of the stream's end.
    LostAfterFinish,
    /// Nothing, until the client hangs up.
    HangBeforeHeaders,
    /// Half an answer, then nothing, until the client hangs up.
    HangMidBody,
    /// A piece of an answer (or a comment) at this interval, for ever.
    Drip { every: Duration, comments: bool },
    /// A body of this many bytes.
    Huge { bytes: usize },
}

/// A wrapping of an otherwise valid answer, or a fault in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    None,
    LeadingNewlines,
    CodeFence,
    AfterProse,
    /// The first quote stands nowhere in the document.
    MadeUpQuote,
    /// A field is missing.
    SchemaInvalid,
    /// The model's own JSON ends too early although it says `stop`.
    TruncatedContent,
    /// A byte order mark before the text.
    ByteOrderMark,
    /// A draft within `<think>`, then the answer.
    AfterDraft,
    /// No content; the answer stands in `reasoning`.
    InReasoning,
    /// No content; the answer is the argument of a tool call.
    InToolCall,
}

/// The answer to a request, before it is wrapped.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) body: Value,
    pub(crate) text: String,
}

/// A response made by a test.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn events(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type: "text/event-stream", body: body.into() }
    }

    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: "application/json", body: body.into() }
    }
}

/// A function of a test that makes a response.
#[derive(Clone)]
pub(crate) struct Maker(Arc<dyn Fn(&Answered) -> Raw + Send + Sync>);

impl Maker {
    pub(super) fn make(&self, answered: &Answered) -> Raw {
        (self.0)(answered)
    }
}

impl std::fmt::Debug for Maker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Maker")
    }
}

impl Reply {
    /// A response that is made from the answer to the request.
    pub(crate) fn made(make: impl Fn(&Answered) -> Raw + Send + Sync + 'static) -> Self {
        Self::Made(Maker(Arc::new(make)))
    }
}
